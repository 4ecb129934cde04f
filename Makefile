# `make demo`: from a fresh clone to a report of the example movie. `make review`: look at that run, and
# correct it. `make plate-demo`: a simulated plate whose truth is known. `make docs`: the site of the documents.
# `make test`: everything that CI checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo review plate-demo docs test install clean

demo: $(VENV)/installed
	$(BIN)/python -m lineage.run examples/demo.tif
	@echo "Open examples/demo.lineage/report.html in a browser; make review shows the movie, to correct it."

review: demo $(VENV)/installed-review
	$(BIN)/python -m lineage.review examples/demo.lineage

plate-demo: $(VENV)/installed-plates
	$(BIN)/python examples/plate_demo.py build/plate-demo

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html in a browser."

# A file of tests runs in one process: what its tests share is made once.
SHARED := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SHARED)

install: $(VENV)/installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3-venv is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# On Linux plain pip brings the CUDA build of torch, several gigabytes of it. The CPU build is asked for first;
# where it cannot be had, whatever pip finds will do.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
$(VENV)/torch: $(VENV)/bin/python
	@echo "Installing torch, then the rest: a minute or two ..."
	-@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --retries 0 --timeout 15 \
	  --index-url $(TORCH_INDEX) "torch==2.13.0"
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/torch
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-plates: pyproject.toml $(VENV)/torch
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[plates]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-review: pyproject.toml $(VENV)/torch
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[review]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml $(VENV)/torch
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[docs]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-test: pyproject.toml $(VENV)/torch
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[test,plates]"
	@touch $@ $(VENV)/installed $(VENV)/installed-plates $(VENV)/installed-review

clean:
	rm -rf $(VENV) build examples/demo.lineage
