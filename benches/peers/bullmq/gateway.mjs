// IOTPay's refund interface, as a merchant without refundd would write it.

import { createHash } from 'node:crypto';
import { Pool } from 'undici';

// The sandbox's own merchant and key.
const MERCHANT = '10000576';
const KEY = 'sandbox-iotpay-key';

/** Empty values left out, sorted by name, joined, the key last, MD5 in capitals. */
function sign(params) {
  const names = Object.keys(params).filter((name) => params[name] !== '').sort();
  const text = names.map((name) => `${name}=${params[name]}&`).join('');
  return createHash('md5').update(`${text}key=${KEY}`).digest('hex').toUpperCase();
}

/** A gateway over kept-alive connections, as many as there are jobs at a time. */
export class Gateway {
  #pool;

  constructor(url, connections) {
    this.#pool = new Pool(url, { connections, pipelining: 1 });
  }

  /** Submits a refund; throws unless it was taken. */
  async submit(refund) {
    const answer = await this.#post('/v1/refund_order', {
      mchId: MERCHANT,
      mchRefundNo: refund.no,
      refundAmount: String(refund.amount),
      clientIp: '127.0.0.1',
      loginName: 'bench',
      payOrderId: `U-${refund.no}`,
      currency: 'CAD',
    });
    if (answer.resCode !== 'SUCCESS') throw new Error(`refused: ${JSON.stringify(answer)}`);
  }

  /** Asks for a refund. Whether it is done; throws if it ended otherwise. */
  async isDone(refund) {
    const answer = await this.#post('/v1/query_refund', { mchId: MERCHANT, mchRefundNo: refund.no });
    if (answer.mchRefundNo !== refund.no || answer.refundAmount !== refund.amount) {
      throw new Error(`about another refund: ${JSON.stringify(answer)}`);
    }
    if (answer.status === 2) return true;
    if (answer.status === 1) return false;
    throw new Error(`not refunded: ${JSON.stringify(answer)}`);
  }

  close() {
    return this.#pool.close();
  }

  async #post(path, params) {
    const json = JSON.stringify({ ...params, sign: sign(params) });
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `params=${encodeURIComponent(json)}`,
    });
    const answer = JSON.parse(await body.text());
    if (statusCode !== 200 || answer.retCode !== 'SUCCESS') {
      throw new Error(`HTTP ${statusCode}: ${JSON.stringify(answer)}`);
    }
    return answer;
  }
}
