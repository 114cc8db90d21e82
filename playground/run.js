/** One run: the request to the sidecar and the events that it streams back. */

/** Gives every event of the run to `onEvent`; rejects with the sidecar's own message. */
export async function ask(wish, signal, onEvent) {
  const response = await fetch('/playground/api/run', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    signal,
    body: JSON.stringify(wish),
  })
  if (!response.ok) throw new Error((await response.json()).error?.message ?? response.statusText)
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)))
  }
}
