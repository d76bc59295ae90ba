// A connection to a chain: send a transaction and learn what came of it, wait for a state, never for ever.
//
// What is peculiar to Connectome here: the names of its transaction extensions, that there is a MetagraphApi, and that the
// transaction pool refuses weights with the index of the pallet's error.

import { ApiPromise, WsProvider } from '@polkadot/api';

/** Extensions that polkadot.js does not know. They add nothing to a transaction; naming them spares a warning. */
const NOTHING = { extrinsic: {}, payload: {} };
const EXTENSIONS = { AuthorizeCall: NOTHING, CheckMetagraph: NOTHING };

/** As polkadot.js defines it, without writing an error on its own: a refusal is caught, and told by its name. */
const SUBMIT = {
  description: 'Submit a transaction and follow it',
  params: [{ name: 'extrinsic', type: 'Extrinsic' }],
  pubsub: ['extrinsicUpdate', 'submitAndWatchExtrinsic', 'unwatchExtrinsic'],
  type: 'ExtrinsicStatus',
  noErrorLog: true,
};

/** The code of the node's answer to a transaction that is not valid. */
const POOL_INVALID = 1010;

/** Milliseconds until a node has to answer. */
const CONNECT_MS = 10_000;

/** Most blocks until a transaction is in one. */
const INCLUSION_BLOCKS = 20;

/** A transaction that the chain refused, with the name that the runtime's metadata gives the error. */
export class Refused extends Error {
  constructor(name, docs) {
    super(docs ? `${name}: ${docs}` : name);
    this.name = 'Refused';
    this.error = name;
  }
}

/** Nobody answers, or what was waited for did not happen in time. */
export class NoAnswer extends Error {}

export class Chain {
  constructor(api, slotMs) {
    this.api = api;
    this.slotMs = slotMs;
  }

  /** Connects, or throws NoAnswer. It tries once, and does not connect again. */
  static async connect(url) {
    let provider;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${CONNECT_MS / 1_000} s`)), CONNECT_MS);
    });
    try {
      provider = new WsProvider(url, false);
      return await Promise.race([Chain.#over(provider), late]);
    } catch (cause) {
      await provider?.disconnect().catch(() => {});
      throw new NoAnswer(`no Connectome node answers at ${url} (${cause.message})`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  static async #over(provider) {
    await provider.connect();
    const api = await ApiPromise.create({
      provider,
      signedExtensions: EXTENSIONS,
      rpc: { author: { submitAndWatchExtrinsic: SUBMIT } },
      noInitWarn: true,
      throwOnConnect: true,
    });
    if (!api.call.metagraphApi) throw new Error('its chain has no metagraph');
    const slotMs = (await api.call.auraApi.slotDuration()).toNumber();
    return new Chain(api, slotMs);
  }

  async disconnect() {
    await this.api.disconnect();
  }

  /**
   * Follows a subscription until a value satisfies `accept`, and gives that value.
   *
   * `subscribe` takes a callback and gives a promise of the function that ends the subscription, as everything of
   * polkadot.js does that can be subscribed to. After `blocks` block times it throws NoAnswer.
   */
  async until(what, blocks, subscribe, accept) {
    const seconds = Math.ceil((blocks * this.slotMs) / 1_000);
    let unsubscribe;
    let timer;
    let lost;
    try {
      return await new Promise((resolve, reject) => {
        const late = `waited ${seconds} s for ${what}. Does the node still make blocks?`;
        timer = setTimeout(() => reject(new NoAnswer(late)), seconds * 1_000);
        lost = () => reject(new NoAnswer(`lost the node while waiting for ${what}`));
        this.api.once('disconnected', lost);
        unsubscribe = subscribe((value) => {
          try {
            if (accept(value)) resolve(value);
          } catch (error) {
            reject(error);
          }
        });
        unsubscribe.catch(reject);
      });
    } finally {
      clearTimeout(timer);
      this.api.off('disconnected', lost);
      // Not awaited: a node that hangs would not answer this either.
      unsubscribe?.then((end) => end()).catch(() => {});
    }
  }

  /** Waits until the best block is `number`. */
  async untilBlock(number) {
    const now = (await this.api.rpc.chain.getHeader()).number.toNumber();
    await this.until(
      `block ${number}`,
      Math.max(0, number - now) + INCLUSION_BLOCKS,
      (callback) => this.api.rpc.chain.subscribeNewHeads(callback),
      (head) => head.number.toNumber() >= number,
    );
  }

  /** Signs and sends a transaction. Gives the number of its block, its events and its fee, or throws Refused. */
  async send(tx, signer) {
    const what = `${tx.method.section}.${tx.method.method} to be in a block`;
    try {
      const result = await this.until(
        what,
        INCLUSION_BLOCKS,
        (callback) => tx.signAndSend(signer, { nonce: -1 }, callback),
        ({ status, isError }) => {
          if (isError) throw new Refused(`the transaction pool dropped it (${status.type})`);
          return status.isInBlock || status.isFinalized;
        },
      );
      this.#throwIfFailed(result);
      const events = result.events.map(({ event }) => event);
      return { number: result.blockNumber.toNumber(), events, fee: feeOf(events) };
    } catch (error) {
      throw this.#named(error, tx);
    }
  }

  /** A transaction that is in a block may have failed there, by itself or inside `sudo`. */
  #throwIfFailed({ dispatchError, events }) {
    const sudid = events.find(({ event }) => event.section === 'sudo' && event.method === 'Sudid');
    const asRoot = sudid?.event.data[0];
    const failure = dispatchError ?? (asRoot?.isErr ? asRoot.asErr : undefined);
    if (!failure) return;
    if (!failure.isModule) throw new Refused(failure.toString());
    const { section, name, docs } = this.api.registry.findMetaError(failure.asModule);
    throw new Refused(`${section}.${name}`, docs.join(' ').trim());
  }

  /** The pool says `Custom error: 24`, where 24 is the index of the pallet's error in the metadata; or something in words. */
  #named(error, tx) {
    const [, code] = /Custom error: (\d+)/.exec(error.message) ?? [];
    const { section } = tx.method;
    const known = Object.values(this.api.errors[section] ?? {}).find(
      ({ meta }) => code !== undefined && meta.index.toNumber() === Number(code),
    );
    if (!known) return error.code === POOL_INVALID ? new Refused(error.message) : error;
    const { name, docs } = known.meta;
    return new Refused(`${section}.${name}`, docs.join(' ').trim());
  }
}

function feeOf(events) {
  const paid = events.find(({ section, method }) => section === 'transactionPayment' && method === 'TransactionFeePaid');
  return paid ? paid.data.actualFee.toBigInt() : 0n;
}
