// The core of @cloud-copilot/iam-simulate, and how a case of ours is put to it.
//
// A case is {principal, action, resource, account, context, identity, session, boundary, scps, rcps, endpoint, policy}:
// policies are JSON trees, a layer that is not asked is null. The package's public function validates, and drops
// condition keys, before it decides; for random cases what is wanted is the core behind it.
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = resolve(process.argv[2]) // the node_modules in which the package stands
const load = (...parts) => import(pathToFileURL(join(folder, '@cloud-copilot', ...parts)).href)
const { loadPolicy } = await load('iam-policy', 'dist', 'esm', 'index.js')
const core = ['iam-simulate', 'dist', 'esm']
export const { authorize } = await load(...core, 'core_engine', 'CoreSimulatorEngine.js')
const { AwsRequestImpl } = await load(...core, 'request', 'request.js')
const { RequestContextImpl } = await load(...core, 'requestContext.js')
const { DiscoveryContextKeyConstraints } = await load(...core, 'context_keys', 'discoveryContextKeyConstraints.js')

const strict = {
  simulationMode: 'Strict',
  discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([])
}
const named = (tree, index) => loadPolicy(tree, { name: `policy ${index}` })
const listed = (tree) => (tree === null ? undefined : [named(tree, 0)])
const levels = (trees) =>
  trees.map((level, index) => ({ orgIdentifier: `level ${index}`, policies: level.map(named) }))

// What the core takes: policies parsed, request and context built.
export function prepared(asked) {
  return {
    request: new AwsRequestImpl(
      asked.principal,
      { resource: asked.resource, accountId: asked.account },
      asked.action,
      new RequestContextImpl(asked.context)
    ),
    sessionPolicy: asked.session === null ? undefined : named(asked.session, 0),
    identityPolicies: asked.identity.map(named),
    serviceControlPolicies: levels(asked.scps),
    resourceControlPolicies: levels(asked.rcps),
    resourcePolicy: asked.policy === null ? undefined : named(asked.policy, 0),
    permissionBoundaries: listed(asked.boundary),
    vpcEndpointPolicies: listed(asked.endpoint),
    simulationParameters: strict,
    serviceSettings: { s3: { blockPublicAccess: false } }
  }
}

