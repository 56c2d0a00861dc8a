import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// The page asks for everything from its own host. While developing, `MILLRACE_URL` names a running node to ask instead.
const node = process.env.MILLRACE_URL ?? 'http://127.0.0.1:7070'

// GraphiQL's style sheet carries its fonts as data: URLs, which the content security policy does not allow.
const withoutFonts = {
  name: 'without-fonts',
  enforce: 'pre' as const,
  transform(code: string, id: string) {
    return /graphiql.*\.css/.test(id) ? code.replace(/@font-face\s*\{[^}]*\}/g, '') : undefined
  },
}

export default defineConfig({
  plugins: [withoutFonts, react()],
  build: {
    rolldownOptions: { input: { index: 'index.html', graphiql: 'graphiql.html' } },
    assetsInlineLimit: 0, // the content security policy allows no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 850,
    license: { fileName: 'licenses.md' }, // of what is bundled: their texts have to go where their code goes
  },
  server: { proxy: { '/graphql': { target: node, ws: true, rewriteWsOrigin: true } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
