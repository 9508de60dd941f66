//! What order systems push in the simulated world.

use fastrand::Rng;
use serde_json::json;

use super::{Asked, PAID};

pub(super) fn request(no: &str, asked: &Asked) -> String {
    json!({
        "v": 1,
        "refund_no": no,
        "account": "shop",
        "amount_cents": asked.cents,
        "currency": "CAD",
        "order": { "gateway_order_no": asked.order, "paid_cents": PAID },
    })
    .to_string()
}

/// A few orders, some refunds of each, some of them more than was paid; some pushed twice, some with
/// other content, some that nobody can read.
pub(super) fn requests(rng: &mut Rng) -> Vec<String> {
    let orders = rng.usize(1..=4);
    let mut all = Vec::new();
    for n in 0..rng.usize(1..=7) {
        let order = format!("P{}", rng.usize(..orders));
        let asked = Asked { order, cents: rng.u64(1..=PAID / 2) };
        let no = format!("R{n}");
        all.push(request(&no, &asked));
        match rng.u8(..8) {
            0 => all.push(request(&no, &asked)),
            1 => all.push(request(&no, &Asked { cents: asked.cents + 1, ..asked.clone() })),
            2 => all.push(format!("{{\"v\":1,\"refund_no\":\"X{n}\",\"amount_cents\":-1}}")),
            _ => {}
        }
    }
    rng.shuffle(&mut all);
    all
}
