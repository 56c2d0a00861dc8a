import { useEffect, useRef } from 'react'
import { Link, Route, Switch, useRoute } from 'wouter'
import { ChatPage } from './chat/ChatPage'
import { ComparePage } from './compare/ComparePage'
import { CostPage } from './cost/CostPage'
import { DatasetPage } from './datasets/DatasetPage'
import { DatasetsPage } from './datasets/DatasetsPage'
import { ExperimentPage } from './experiments/ExperimentPage'
import { ExperimentsPage } from './experiments/ExperimentsPage'
import { JudgePage } from './judge/JudgePage'
import { ResultsPage } from './judge/ResultsPage'
import { RoomPage } from './judge/RoomPage'
import { Line } from './link/Line'
import { Boundary } from './parts/Boundary'
import { Empty } from './parts/State'
import { RulePage } from './rules/RulePage'
import { RulesPage } from './rules/RulesPage'
import { RunPage } from './run/RunPage'
import { RunsPage } from './runs/RunsPage'
import { SuitePage } from './suites/SuitePage'
import { SuitesPage } from './suites/SuitesPage'
import { SweepPage } from './sweeps/SweepPage'
import { SweepsPage } from './sweeps/SweepsPage'

export function App() {
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand" aria-label="Millrace: all runs">
          <img src="/favicon.svg" alt="" width="22" height="22" />
          <span>Millrace</span>
        </Link>
        <nav aria-label="Pages">
          <Place href="/" also="/run/*?">
            Runs
          </Place>
          <Place href="/experiments" also="/experiment/*?">
            Experiments
          </Place>
          <Place href="/sweeps" also="/sweep/*?">
            Sweeps
          </Place>
          <Place href="/datasets" also="/dataset/*?">
            Datasets
          </Place>
          <Place href="/compare">Compare</Place>
          <Place href="/suites" also="/suite/*?">
            Suites
          </Place>
          <Place href="/judge" also="/judge/*?">
            Judge
          </Place>
          <Place href="/rules" also="/rule/*?">
            Rules
          </Place>
          <Place href="/cost">Cost</Place>
          <Place href="/chat">Chat</Place>
        </nav>
        <Line />
      </header>
      <main id="main" tabIndex={-1}>
        <Boundary>
          <Switch>
            <Route path="/" component={RunsPage} />
            <Route path="/run/:id/:tab?">{({ id, tab }) => <RunPage key={id} id={id} tab={tab} />}</Route>
            <Route path="/compare" component={ComparePage} />
            <Route path="/cost" component={CostPage} />
            <Route path="/chat" component={ChatPage} />
            <Route path="/judge" component={JudgePage} />
            <Route path="/judge/:id">{({ id }) => <RoomPage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/judge/:id/results">{({ id }) => <ResultsPage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/datasets" component={DatasetsPage} />
            <Route path="/dataset/:id">{({ id }) => <DatasetPage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/experiments" component={ExperimentsPage} />
            <Route path="/experiment/:id">{({ id }) => <ExperimentPage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/sweeps" component={SweepsPage} />
            <Route path="/sweep/:id">{({ id }) => <SweepPage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route path="/suites" component={SuitesPage} />
            <Route path="/suite/:name/:version?">{({ name, version }) => <SuitePage key={`${name}@${version}`} name={decodeURIComponent(name)} version={Number(version) || null} />}</Route>
            <Route path="/rules" component={RulesPage} />
            <Route path="/rule/:id">{({ id }) => <RulePage key={id} id={decodeURIComponent(id)} />}</Route>
            <Route>
              <Empty title="There is no such page">
                <p>
                  <Link href="/">All runs</Link>
                </p>
              </Empty>
            </Route>
          </Switch>
        </Boundary>
      </main>
    </>
  )
}

function Place({ href, also, children }: { href: string; also?: string; children: string }) {
  const [here] = useRoute(href)
  const [below] = useRoute(also ?? href)
  const link = useRef<HTMLAnchorElement>(null)
  // On a narrow screen the places scroll: where the reader is stays in sight.
  useEffect(() => {
    if (here || below) link.current?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [here, below])
  return (
    <Link ref={link} href={href} aria-current={here || below ? 'page' : undefined}>
      {children}
    </Link>
  )
}
