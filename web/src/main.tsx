import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Provider } from 'urql'
import { App } from './App'
import { client } from './link/client'
import './style/base.css'
import './style/shell.css'
import './style/parts.css'
import './style/tables.css'
import './style/search.css'
import './style/charts.css'
import './style/pages.css'
import './style/cost.css'
import './style/chat.css'
import './style/judge.css'
import './style/answers.css'
import './style/rules.css'
import './style/sweeps.css'

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <Provider value={client}>
      <App />
    </Provider>
  </StrictMode>,
)
