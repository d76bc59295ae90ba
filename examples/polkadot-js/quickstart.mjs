// From an empty network to the first incentive, on a development chain.
//
//   node quickstart.mjs [ws://127.0.0.1:9944]
//
// Alice is root and pays for everything. She owns three neurons: a validator and two servers. What is done already is
// skipped, so the script can run again on the same chain. The URL may also stand in CONNECTOME_URL.

import { deepStrictEqual } from 'node:assert';
import { Keyring } from '@polkadot/api';
import { Chain, NoAnswer, Refused } from './chain.mjs';

const URL = process.argv[2] ?? process.env.CONNECTOME_URL ?? 'ws://127.0.0.1:9944';

/** What the network of this script learns: its name on the chain. */
const TASK = 'quickstart';

/** One token, CTM, in the unit that the chain counts in. */
const CTM = 1_000_000_000n;
/** What each hotkey gets for its fees. */
const ALLOWANCE = CTM;
/** What the validator stakes. */
const STAKE = 100n * CTM;

/** The part of each server in what the validator values; only the proportions count. */
const VALUES = { 'server-1': 65_535, 'server-2': 32_768 };

/** Where the servers say that they are reached. Nothing listens there; the chain does not dial. */
const PORTS = { 'server-1': 8091, 'server-2': 8092 };

/** Version of the program that sets weights; the network's `weights_version` is the oldest that it takes. */
const WEIGHTS_VERSION = 0;

async function main() {
  const chain = await Chain.connect(URL);
  try {
    await introduce(chain);
    const keyring = new Keyring({ type: 'sr25519' });
    const alice = keyring.addFromUri('//Alice');
    const hotkeys = Object.fromEntries(
      ['validator', 'server-1', 'server-2'].map((name) => [name, keyring.addFromUri(`//Alice//${name}`)]),
    );

    const netid = await createNetwork(chain, alice);
    const uids = await register(chain, netid, alice, hotkeys);
    await fund(chain, alice, hotkeys);
    await serve(chain, netid, uids, hotkeys);
    await stake(chain, alice, hotkeys.validator);
    await permit(chain, netid, uids.validator);
    const weighed = await setWeights(chain, netid, uids, hotkeys.validator);
    await weighTooSoon(chain, netid, uids, hotkeys.validator);
    const block = await epochAfter(chain, netid, weighed);
    await show(chain, netid, block, hotkeys);
  } finally {
    await chain.disconnect();
  }
}

async function introduce({ api, slotMs }) {
  const [name, { specName, specVersion }, head] = await Promise.all([
    api.rpc.system.chain(),
    api.rpc.state.getRuntimeVersion(),
    api.rpc.chain.getHeader(),
  ]);
  step('Connect');
  say(`${name} at ${URL}: ${specName} version ${specVersion}, block ${head.number}, a block every ${slotMs / 1_000} s`);
}

/** A network of our own, with the hyperparameters of the first one that there is. Only root creates networks. */
async function createNetwork(chain, root) {
  const { api } = chain;
  step('Create a network');
  const existing = await findNetwork(api);
  if (existing !== undefined) {
    say(`network ${existing}, '${TASK}', is there`);
    return existing;
  }
  const networks = await api.call.metagraphApi.networks();
  if (networks.length === 0) throw new Refused('this chain has no network whose hyperparameters could be copied');
  const hyperparameters = (await api.call.metagraphApi.hyperparameters(networks[0].netid)).unwrap();
  const { number } = await chain.send(
    api.tx.sudo.sudo(api.tx.metagraph.createNetwork(TASK, null, hyperparameters)),
    root,
  );
  const netid = await findNetwork(api);
  say(`network ${netid}, '${TASK}', created in block ${number}, with an epoch every ${hyperparameters.tempo} blocks`);
  return netid;
}

async function findNetwork(api) {
  const networks = await api.call.metagraphApi.networks();
  return networks.find(({ task }) => task.toUtf8() === TASK)?.netid.toNumber();
}

/** A uid for each hotkey. The price rises with each registration and falls with each block. */
async function register(chain, netid, coldkey, hotkeys) {
  const { api } = chain;
  step('Register neurons');
  const uids = {};
  for (const [name, { address }] of Object.entries(hotkeys)) {
    const known = await api.query.metagraph.uids(netid, address);
    if (known.isSome) {
      uids[name] = known.unwrap().toNumber();
      say(`${name} has uid ${uids[name]}`);
      continue;
    }
    const price = (await api.call.metagraphApi.registrationPrice(netid)).unwrap().toBigInt();
    const { number, events } = await chain.send(api.tx.metagraph.register(netid, address, 2n * price), coldkey);
    const registered = events.find(({ method }) => method === 'NeuronRegistered').data;
    uids[name] = registered.uid.toNumber();
    say(`${name} has uid ${uids[name]}, registered in block ${number} for ${ctm(registered.price.toBigInt())} CTM`);
  }
  return uids;
}

/** Hotkeys sign for themselves, and need something to pay the fees with. */
async function fund(chain, coldkey, hotkeys) {
  const { api } = chain;
  step('Fund the hotkeys');
  for (const [name, { address }] of Object.entries(hotkeys)) {
    const free = (await api.query.system.account(address)).data.free.toBigInt();
    if (free >= ALLOWANCE / 2n) {
      say(`${name} holds ${ctm(free)} CTM`);
      continue;
    }
    const { fee } = await chain.send(api.tx.balances.transferKeepAlive(address, ALLOWANCE), coldkey);
    say(`${name} got ${ctm(ALLOWANCE)} CTM; the transfer cost ${ctm(fee)} CTM`);
  }
}

async function serve(chain, netid, uids, hotkeys) {
  const { api } = chain;
  step('Serve');
  for (const [name, port] of Object.entries(PORTS)) {
    const neuron = (await api.call.metagraphApi.neuron(netid, uids[name])).unwrap();
    if (neuron.endpoint.isSome && neuron.endpoint.unwrap().port.toNumber() === port) {
      say(`${name} serves at 127.0.0.1:${port}`);
      continue;
    }
    const synapses = { text: false, image: true, tensor: false };
    const axon = api.tx.metagraph.serveAxon(netid, { V4: [127, 0, 0, 1] }, port, 'GrpcTls', 1, synapses);
    const { number } = await chain.send(axon, hotkeys[name]);
    say(`${name} serves at 127.0.0.1:${port} since block ${number}`);
  }
}

async function stake(chain, coldkey, { address }) {
  const { api } = chain;
  step('Stake on the validator');
  const settled = (await api.call.metagraphApi.stake(address)).unwrap().settled.toBigInt();
  if (settled >= STAKE) {
    say(`${ctm(settled)} CTM are staked`);
    return;
  }
  const { number } = await chain.send(api.tx.metagraph.addStake(address, STAKE - settled), coldkey);
  say(`${ctm(STAKE - settled)} CTM staked in block ${number}`);
}

/** An epoch gives permits to the neurons with most stake. */
async function permit(chain, netid, uid) {
  const { api } = chain;
  step('Wait for the validator permit');
  if ((await api.call.metagraphApi.neuron(netid, uid)).unwrap().validatorPermit.isTrue) {
    say(`uid ${uid} has a permit`);
    return;
  }
  await announceEpoch(chain, netid);
  await chain.until(
    `the permit of uid ${uid}`,
    await epochBlocks(api, netid),
    (callback) => api.query.metagraph.permitColumn(netid, callback),
    (permits) => permits[uid]?.isTrue,
  );
  say(`uid ${uid} has a permit now`);
}

/** Gives the block in which the row was set. An accepted row costs nothing. */
async function setWeights(chain, netid, uids, validator) {
  const { api } = chain;
  step('Set weights');
  const row = rowOf(uids);
  const previous = await api.query.metagraph.weightRows(netid, uids.validator);
  if (previous.isSome) {
    const { weightsRateLimit } = (await api.call.metagraphApi.hyperparameters(netid)).unwrap();
    await chain.untilBlock(previous.unwrap().updatedAt.toNumber() + weightsRateLimit.toNumber());
  }
  const { number, fee } = await chain.send(api.tx.metagraph.setWeights(netid, row, WEIGHTS_VERSION), validator);
  say(`row ${JSON.stringify(row)} set in block ${number}; it cost ${ctm(fee)} CTM`);
  return number;
}

/** The weights as the chain wants them: pairs of uid and weight, uids ascending. */
function rowOf(uids) {
  return Object.entries(VALUES)
    .map(([name, value]) => [uids[name], value])
    .sort(([a], [b]) => a - b);
}

/** The transaction pool refuses what the chain would refuse, and nobody pays. */
async function weighTooSoon(chain, netid, uids, validator) {
  step('Set weights again at once, to see a refusal');
  try {
    await chain.send(chain.api.tx.metagraph.setWeights(netid, rowOf(uids), WEIGHTS_VERSION), validator);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message);
    return;
  }
  throw new Error('the chain took a second row within the rate limit');
}

/** Waits for an epoch that has seen what was set in block `number`. Gives the hash of the epoch's block. */
async function epochAfter(chain, netid, number) {
  const { api } = chain;
  step('Wait for the epoch that counts the weights');
  await announceEpoch(chain, netid);
  const network = await chain.until(
    `an epoch of network ${netid}`,
    await epochBlocks(api, netid),
    (callback) => api.query.metagraph.networks(netid, callback),
    (network) => network.unwrap().previousEpoch.toNumber() > number,
  );
  const ranIn = network.unwrap().previousEpoch;
  say(`the epoch ran in block ${ranIn}`);
  return api.rpc.chain.getBlockHash(ranIn);
}

async function announceEpoch({ api, slotMs }, netid) {
  const [due, head] = await Promise.all([api.call.metagraphApi.nextEpoch(netid), api.rpc.chain.getHeader()]);
  const left = due.unwrap().toNumber() - head.number.toNumber();
  say(`the next epoch is due in block ${due}, in about ${Math.ceil((left * slotMs) / 1_000)} s`);
}

/** Most blocks to wait for an epoch: two tempos, and some in case other networks go first. */
async function epochBlocks(api, netid) {
  return 2 * (await api.call.metagraphApi.hyperparameters(netid)).unwrap().tempo.toNumber() + 40;
}

/** The network as it was in one block: through the runtime API, and once more from storage. */
async function show({ api }, netid, block, hotkeys) {
  step('Read the metagraph');
  const then = await api.at(block);
  const neurons = await neuronsFromApi(then, netid);
  const names = new Map(Object.entries(hotkeys).map(([name, { address }]) => [address, name]));
  table(
    ['uid', 'hotkey', 'stake', 'permit', 'incentive', 'dividends', 'emission'],
    neurons.map((neuron) => [
      neuron.uid.toString(),
      names.get(neuron.hotkey) ?? `${neuron.hotkey.slice(0, 8)}…`,
      ctm(neuron.stake),
      neuron.permit ? 'yes' : 'no',
      fraction(neuron.incentive),
      fraction(neuron.dividends),
      ctm(neuron.emission),
    ]),
  );
  deepStrictEqual(await neuronsFromStorage(then, netid), neurons);
  say('storage says the same');
}

/** One call gives everything. */
async function neuronsFromApi({ call }, netid) {
  const { neurons } = (await call.metagraphApi.metagraph(netid)).unwrap();
  return neurons.map((neuron) => ({
    uid: neuron.uid.toNumber(),
    hotkey: neuron.hotkey.toString(),
    stake: neuron.stake.toBigInt(),
    permit: neuron.validatorPermit.isTrue,
    incentive: neuron.incentive.toNumber(),
    dividends: neuron.dividends.toNumber(),
    emission: neuron.emission.toBigInt(),
  }));
}

/** Storage holds a column for each quantity, in uid order, and the hotkeys one by one. */
async function neuronsFromStorage({ query: { metagraph } }, netid) {
  const [keys, stake, earned, permits, scores, emission] = await Promise.all([
    metagraph.keys.entries(netid),
    metagraph.stakeColumn(netid),
    metagraph.earnedColumn(netid),
    metagraph.permitColumn(netid),
    metagraph.scoreColumns(netid),
    metagraph.emissionColumn(netid),
  ]);
  return keys
    .map(([{ args: [, uid] }, hotkey]) => ({ uid: uid.toNumber(), hotkey: hotkey.unwrap().toString() }))
    .sort((a, b) => a.uid - b.uid)
    .map(({ uid, hotkey }) => ({
      uid,
      hotkey,
      stake: stake[uid].toBigInt() + earned[uid].toBigInt(),
      permit: permits[uid].isTrue,
      incentive: scores.incentive[uid].toNumber(),
      dividends: scores.dividends[uid].toNumber(),
      emission: emission[uid].toBigInt(),
    }));
}

let steps = 0;

function step(title) {
  steps += 1;
  console.log(`\n${steps}. ${title}`);
}

function say(line) {
  console.log(`   ${line}`);
}

function table(head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  // The first two columns and the permit are names, the others numbers.
  const cell = (text, column) => ([1, 3].includes(column) ? text.padEnd(widths[column]) : text.padStart(widths[column]));
  for (const row of [head, ...rows]) say(row.map(cell).join('  '));
}

/** Units as CTM, exactly. */
function ctm(units) {
  const decimals = (units % CTM).toString().padStart(9, '0').replace(/0+$/, '');
  return `${units / CTM}${decimals && `.${decimals}`}`;
}

/** A fraction of 65535. */
function fraction(part) {
  return (part / 65_535).toFixed(4);
}

try {
  await main();
} catch (error) {
  console.error(`\n${error instanceof NoAnswer || error instanceof Refused ? error.message : error.stack}`);
  if (error instanceof NoAnswer && error.cause) {
    console.error('Start one with `make node` in the root of the repository, or say where it is:');
    console.error('  node quickstart.mjs ws://127.0.0.1:9944');
  }
  process.exitCode = 1;
}
