# Short names for the commands of README and CONTRIBUTING; nothing is defined here.
.PHONY: help demo test tidy pages build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole thing on this machine, with nothing configured
	deploy/demo.sh

test: ## formatting, lints and every test, as CI runs them
	deploy/test.sh

tidy: ## only the rules that can be read off the tree
	cargo test --locked --test it tidy

pages: ## write the generated pages anew
	REFUNDD_REGENERATE=1 cargo test --locked --lib fresh

build: ## target/release/refundd
	cargo build --release --locked
