# The two commands are `make train` and `make test`; the scripts are in .ci/.

ALEXNET = $(or $(CARGO_TARGET_DIR),target)/release/alexnet

.PHONY: help train test bench peers doc ci clean

help:
	@echo 'make train   prepare this machine, build, and train the small two-column network (10 minutes at most)'
	@echo 'make test    prepare this machine, and run every test on every adapter'
	@echo 'make bench   measure the kernels, the training step and the loader'
	@echo 'make peers   measure training and the loader beside PyTorch, burn and others: takes gigabytes, and minutes'
	@echo 'make doc     build the documentation: the map of the code'
	@echo 'make ci      everything that must pass before a change goes in'
	@echo 'make clean   remove the build and the built-in data set; runs stay'

train:
	@.ci/train

test:
	@.ci/test

bench:
	@.ci/prepare
	cargo build --release --locked
	$(ALEXNET) bench kernels
	$(ALEXNET) bench step --net tiny
	$(ALEXNET) bench step --net alexnet --batch 32
	$(ALEXNET) bench loader

peers:
	@benches/peers/run loader
	@benches/peers/run events
	@benches/peers/run step

doc:
	cargo doc --release --no-deps --locked
	@echo 'Open $(or $(CARGO_TARGET_DIR),target)/doc/alexnet/index.html'

ci:
	@.ci/run

clean:
	cargo clean
	rm -rf data/synth data/synth.part
