// Decisions a second of iam-simulate: `node simulate.mjs NODE_MODULES`, driven by bench/rivals.py over standard input.
//
// The first line holds the cases: a list for each request, of variants as second_opinion/simulate.mjs takes them. Each
// further line asks {"request": 0, "how": "once", "seconds": 0.05} and is answered {"outcome": ..., "rate": ...}.
// how: once: the core, everything prepared before; each: the core, policies parsed from text for each decision;
// published: the package's public function, which validates and parses each time.
import { resolve, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { authorize, prepared } from '../second_opinion/simulate.mjs'

const folder = resolve(process.argv[2])
const index = join(folder, '@cloud-copilot', 'iam-simulate', 'dist', 'esm', 'index.js')
const { runSimulation } = await import(pathToFileURL(index).href)

const published = (asked) => ({
  request: {
    principal: asked.principal,
    action: asked.action,
    resource: { resource: asked.resource, accountId: asked.account },
    contextVariables: asked.context
  },
  identityPolicies: asked.identity.map((policy, i) => ({ name: `policy ${i}`, policy })),
  serviceControlPolicies: [],
  resourceControlPolicies: [],
  resourcePolicy: asked.policy
})

const parsed = ({ asked, identity, policy }) =>
  prepared({ ...asked, identity: [JSON.parse(identity)], policy: JSON.parse(policy) })

const ways = {
  once: { make: prepared, decide: (one) => authorize(one).result },
  each: {
    make: (asked) => ({ asked, identity: JSON.stringify(asked.identity[0]), policy: JSON.stringify(asked.policy) }),
    decide: (one) => authorize(parsed(one)).result
  },
  published: { make: published, decide: async (one) => (await runSimulation(one, {})).overallResult }
}

function now() {
  return Number(process.hrtime.bigint()) / 1e9
}

async function measured(variants, { make, decide }, seconds) {
  const asked = variants.map(make)
  const waits = decide.constructor.name === 'AsyncFunction'
  const outcome = await decide(asked[0])
  let count = 0
  const start = now()
  let end = start
  while (end - start < seconds) {
    for (const one of asked) waits ? await decide(one) : decide(one)
    count += asked.length
    end = now()
  }
  return { outcome, rate: count / (end - start) }
}

let cases
for await (const line of createInterface({ input: process.stdin })) {
  if (cases === undefined) {
    cases = JSON.parse(line)
    continue
  }
  const { request, how, seconds } = JSON.parse(line)
  console.log(JSON.stringify(await measured(cases[request], ways[how], seconds)))
}
