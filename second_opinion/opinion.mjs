// Asks @cloud-copilot/iam-simulate what it would decide: `node opinion.mjs NODE_MODULES`.
//
// One case a line comes in (see simulate.mjs), one answer a line goes out: {"outcome": "Allowed"} or {"error": "..."}.
import { createInterface } from 'node:readline'
import { authorize, prepared } from './simulate.mjs'

function answer(line) {
  try {
    return { outcome: authorize(prepared(JSON.parse(line))).result }
  } catch (error) {
    return { error: String(error?.message ?? error).split('\n')[0] }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(line))}\n`)
}
