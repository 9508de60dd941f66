//! `docs/configuration.md`, made from `config/default.toml`: one text to keep true instead of two.

use super::layers::DEFAULTS;

const HEAD: &str = "\
# Configuration

<!-- Generated from config/default.toml. Write it anew with:
     REFUNDD_REGENERATE=1 cargo test --lib fresh -->

Three layers, later wins:

1. the defaults below, compiled in;
2. the file given by `--config FILE`, or else by the variable `REFUNDD_CONFIG`;
3. environment variables `REFUNDD__SECTION__KEY`.

`refundd config` prints what they add up to, with secrets masked and with where each value came from.

An unknown key, a value out of its range, a missing secret or two settings that contradict each other
stop the start. All problems are shown at once, each with the key's name and what to write instead.

## Variables

`REFUNDD__` and the key's path, with `__` between its parts, in capitals:

| variable | sets |
|---|---|
| `REFUNDD__WORKER__CONCURRENCY=64` | `worker.concurrency` |
| `REFUNDD__REDIS__URL=redis://db:6379` | `redis.url`; empty: the private Redis |
| `REFUNDD__ACCOUNTS__SHOP_CA__POLL__JITTER=0.3` | `accounts.shop-ca.poll.jitter` |
| `REFUNDD__GATEWAYS__IOTPAY__NOT_FOUND_CODES=0112,0119` | a list, with commas |

Most shells allow no `-` in a variable's name, so `_` also finds `-` in the name of an account or gateway
that the file has. An account that only the environment has is named as the variable spells it, in small
letters: `SHOP_CA` is `shop_ca`.

## Secrets

Signing keys are never in this file and never on the command line. A gateway names where its key is:

* `key_file`: a file that holds the key and nothing else; a relative path begins at the folder of the
  configuration file. Readable by its owner only (`chmod 600`), or refundd warns.
* `key_env`: an environment variable that holds the key.

`redis.url` may hold a password; better give it by `REFUNDD__REDIS__URL`. It is masked wherever it is shown.

## Every key, with its default

Lines that begin with `#` and no space are examples: an install has no account and no gateway until
somebody writes one.

```toml
";

/// The page, Markdown.
pub fn reference() -> String {
    format!("{HEAD}{}\n```\n", DEFAULTS.trim_end())
}
