import { Component, type ReactNode } from 'react'
import { Trouble } from './State'

// Keeps one page's mistake from taking the whole window down.
export class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    if (!this.state.error) return this.props.children
    return <Trouble error={this.state.error} again={() => this.setState({ error: null })} />
  }
}
