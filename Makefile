# make demo   environment, built-in collection, training, ten pairs, the page on http://127.0.0.1:7860
# make test   environment, tests            Both can be interrupted and run again; finished work is not done twice.
# CPU=1       with any target: the build of torch without GPU libraries; counts where .venv is made anew (make clean)
# PARALLEL=   with test and test-long: one test after another, in one process
# docs/install.md says more: uv, mirrors, the container.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),uv pip install --python $(RUN),$(RUN) -m pip install --no-compile --disable-pip-version-check)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
ENGINE ?= docker
# the tests of a file share a process, for they share what they were prepared with
PARALLEL ?= -n 2 --dist loadfile

.PHONY: demo install test test-long test-browser fuzz lint format specs samples image image-test clean
.DELETE_ON_ERROR:

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make demo PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(if $(filter 1,$(CPU)),$(INSTALL) --index-url $(TORCH_INDEX) 'torch>=2.10' torchvision)
	$(INSTALL) -r requirements.txt
	@touch $@

.venv/installed-tests: .venv/installed tests/requirements.txt
	$(INSTALL) --quiet -r tests/requirements.txt
	@touch $@

demo: .venv/installed
	$(RUN) dataset_preparation.py --source builtin --preset small
	$(RUN) caption_generation.py --style builtin
	$(RUN) training_loop.py --style builtin --preset small || test $$? -eq 1   # 1: trained, but the latent check failed; the page says so
	$(RUN) inference.py --seeds 0-9
	$(RUN) gradio_demo.py

install: .venv/installed

test: .venv/installed-tests
	$(RUN) -m pytest -q $(PARALLEL) --durations=10 --ignore=tests/browser tests

test-long: .venv/installed-tests
	LONG=1 $(RUN) -m pytest -q $(PARALLEL) --durations=10 --ignore=tests/browser tests

fuzz: .venv/installed-tests
	$(RUN) tests/fuzz.py --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1000)

test-browser: .venv/installed-tests
	$(INSTALL) --quiet -r tests/browser/requirements.txt
	$(RUN) -m pytest -q tests/browser

lint: .venv/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check

format: .venv/installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

specs: .venv/installed
	$(RUN) model_architecture.py --write-specs

samples: .venv/installed
	$(RUN) inference.py --seeds 0-9 --out samples

image:
	$(ENGINE) build $(IMAGE_FLAGS) --build-arg TORCH_INDEX=$(TORCH_INDEX) --tag one-seed .

image-test: .venv/installed image
	$(RUN) -m tests.image --engine $(ENGINE)

clean:                                                 # what can be made again, and nothing that took people or a captioner hours
	rm -rf .venv data/processed
	if [ -d outputs ]; then find outputs -type f ! -name answers.jsonl -delete; find outputs -type d -empty -delete; fi
	find . -name __pycache__ -prune -exec rm -rf {} +
