import { Link } from 'wouter'

export const suiteAddress = (name: string, version = 0) => `/suite/${encodeURIComponent(name)}${version > 0 ? `/${version}` : ''}`

// A suite by name, or name@version.
export function SuiteLink({ name, version = 0 }: { name: string; version?: number }) {
  return (
    <Link href={suiteAddress(name, version)}>
      {name}
      {version > 0 && `@${version}`}
    </Link>
  )
}

// A suite as configurations write it: "name" or "name@version".
export function SuiteNamed({ text }: { text: string }) {
  const [, name, version] = /^(.*)@(\d+)$/.exec(text) ?? [null, text, '0']
  return <SuiteLink name={name ?? text} version={Number(version)} />
}
