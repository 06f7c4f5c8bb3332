# Two commands do everything:  make run  (the toolbox)  and  make test  (every check).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint types imports pytest fuzz soak screenshots paper clean

run: $(VENV)/.run-ready
	$(BIN)/python run_toolbox.py $(ARGS)

test: lint types imports pytest

lint: $(VENV)/.test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.test-ready
	$(BIN)/mypy

imports: $(VENV)/.test-ready
	$(BIN)/lint-imports

pytest: $(VENV)/.test-ready
	$(BIN)/python -m pytest $(ARGS)

# Broken files of every format, other ones every time: make fuzz MINUTES=60 ARGS="picture archive"
MINUTES ?= 10
fuzz: $(VENV)/.test-ready
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --random $(ARGS)

# What PyPI serves is checked against the hashes of the locks. torch comes last, unchecked: which build of it is right (CPU
# alone, CUDA, ROCm) depends on the machine, and each has other hashes. requirements-torch.lock has those of PyPI's build.
$(VENV)/.run-ready: requirements.txt requirements.lock scripts/system_packages.sh
	bash scripts/system_packages.sh run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.test-ready: requirements.txt requirements-dev.txt requirements-dev.lock requirements-networks.lock scripts/system_packages.sh
	bash scripts/system_packages.sh test
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --disable-pip-version-check -q -r requirements-dev.txt
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --require-hashes -r requirements-networks.lock
	touch $@ $(VENV)/.run-ready

# The real window, driven for HOURS (24 in earnest) by random keys and clicks; the samples and their chart come into OUT.
HOURS ?= 0.0833
OUT ?= soak
soak: $(VENV)/.test-ready
	$(BIN)/python -m tests.soak --hours $(HOURS) --out $(OUT) $(ARGS)

# The pictures of docs/tour.md, drawn by the program itself.
screenshots: $(VENV)/.run-ready
	$(BIN)/python scripts/screenshots.py

# The figures of the paper, of the default network: make paper ARGS=--quick, or ARGS="--figure 4 --model NAME"
paper: $(VENV)/.run-ready
	$(BIN)/python -m deepvis_toolbox.paper $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
