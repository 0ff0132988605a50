// compat.mjs BASE TOKEN ACCOUNT : every method under client.containers of Cloudflare's SDK, against the emulator. One line
// each, "ok" or "not ok"; a method that is never called is a failure. Run in a folder where the SDK is installed.
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const { Cloudflare } = require('cloudflare');
const [, , baseURL, apiToken, account_id] = process.argv;
const client = new Cloudflare({ baseURL, apiToken, maxRetries: 0 });
const called = new Set();
let failed = 0;

const methods = [];
const walk = (object, path) => {
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(object))) {
    if (name === 'constructor' || typeof object[name] !== 'function') continue;
    const real = object[name];
    methods.push(`${path}.${name}`);
    object[name] = (...args) => {
      called.add(`${path}.${name}`);
      return real.apply(object, args);
    };
  }
  for (const [name, member] of Object.entries(object))
    if (!name.startsWith('_') && member && typeof member === 'object' && member.constructor !== Object) walk(member, `${path}.${name}`);
};
walk(client.containers, 'containers');

const report = (title, problem) => {
  if (problem) failed++;
  console.log(problem ? `not ok sdk ${title}: ${problem}` : `ok sdk ${title}`);
};
const test = async (title, run, check) => {
  try {
    const value = await run();
    report(title, check && !check(value) ? `unexpected answer ${JSON.stringify(value)}` : '');
    return value;
  } catch (e) {
    report(title, e.message);
  }
};
const all = async (pages) => {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
};

const { applications, registries, images } = client.containers;
const configuration = { image: 'sdk:v1', instance_type: 'lite' };
const made = await test('applications.create', () =>
  applications.create({ account_id, name: 'sdk', scheduling_policy: 'default', instances: 1, max_instances: 3, configuration }), (a) => a.id && a.version === 1);
await test('applications.list, page by page', () => all(applications.list({ account_id, per_page: 2 })), (l) => l.length >= 3 && l.some((a) => a.id === made.id));
await test('applications.get', () => applications.get(made.id, { account_id }), (a) => a.name === 'sdk');
await test('applications.edit', () => applications.edit(made.id, { account_id, instances: 2, max_instances: 4, configuration: { ...configuration, image: 'sdk:v2' } }), (a) => a.version === 1 && a.max_instances === 4);
await test('applications.rollouts.create', () =>
  applications.rollouts.create(made.id, { account_id, description: 'd', strategy: 'rolling', step_percentage: 50, target_configuration: { ...configuration, image: 'sdk:v2' } }), (r) => r.id);
await test('applications.versions.list', () => all(applications.versions.list(made.id, { account_id })), (l) => l.length >= 1);
const instances = await test('applications.instances.list', () => all(applications.instances.list(made.id, { account_id, per_page: 1 })), (l) => l.length === 2);
await test('applications.instances.listV1', () => all(applications.instances.listV1(made.id, { account_id })), (l) => l.length === 2);
await test('applications.instances.get', () => applications.instances.get(instances[0].id, { account_id, application_id: made.id }), (i) => i.id === instances[0].id);
await test('applications.delete', () => applications.delete(made.id, { account_id }));
await test('images.prepare', () => images.prepare({ account_id, image: `registry.cloudflare.com/${account_id}/sdk@sha256:${'4'.repeat(64)}` }), (p) => p.status);
await test('registries.create', () =>
  registries.create({ account_id, domain: 'europe-docker.pkg.dev', kind: 'GAR', auth: { public_credential: 'a', private_credential: { store_id: 's', secret_name: 'n' } } }), (r) => r.domain);
await test('registries.list', () => all(registries.list({ account_id })), (l) => l.some((r) => r.domain === 'europe-docker.pkg.dev'));
await test('registries.credentials.generate', () => registries.credentials.generate('registry.cloudflare.com', { account_id, permissions: ['pull'], expiration_minutes: 5 }), (c) => c.password);
await test('registries.delete', () => registries.delete('europe-docker.pkg.dev', { account_id }));
for (const method of methods) if (!called.has(method)) report(method, 'never called: add it to tools/lib/compat.mjs');
process.exit(failed ? 1 : 0);
