import { useId, useLayoutEffect, useRef, type ReactNode } from 'react'

// A question that stands before the page until it is answered. Escape leaves it; the focus goes back to where it was.
export function Dialog({ title, leave, submit, children }: { title: string; leave: () => void; submit: () => void; children: ReactNode }) {
  const box = useRef<HTMLDialogElement>(null)
  const id = useId()
  // Closed before it is taken away, for closing is what gives the focus back. Opened, it focuses its first field or button.
  useLayoutEffect(() => {
    const dialog = box.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={box}
      className="dialog"
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault()
        leave()
      }}
    >
      <form
        onSubmit={(e) => {
          e.preventDefault()
          submit()
        }}
      >
        <h2 id={id}>{title}</h2>
        {children}
      </form>
    </dialog>
  )
}

// The last line of a dialog: what was refused, the way out, and the wish itself.
export function Answers({ leave, wish, busy, danger = false, stay = 'Cancel', children }: { leave: () => void; wish: string; busy: boolean; danger?: boolean; stay?: string; children?: ReactNode }) {
  return (
    <div className="answers">
      {children}
      <span className="spacer" />
      <button type="button" onClick={leave}>
        {stay}
      </button>
      <button type="submit" className={danger ? 'danger' : 'primary'} disabled={busy}>
        {wish}
      </button>
    </div>
  )
}
