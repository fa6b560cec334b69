PYTHON ?= python3
ROOMS := agent sync drivers hq screens
BIN := .venv/bin
export FAILSAFE_SHARED ?= $(CURDIR)/../shared
unexport PYTHONDONTWRITEBYTECODE # hundreds of processes are started: each would compile the house anew

.PHONY: setup demo test booth-test conformance check format bench nightly rivals calibrate fuzz words pictures lock clean

setup: .venv/.installed

.venv/.deps: requirements/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	touch $@

# Strict editable mode links file by file, so that new files would stay unseen: one link a room instead.
.venv/.installed: .venv/.deps pyproject.toml
	rm -rf build
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=strict -e .
	cd build/__editable__*/failsafe && for room in $(ROOMS); do rm -rf $$room && ln -s "$(CURDIR)/$$room" $$room; done
	touch $@

demo: setup
	$(BIN)/failsafe demo

test: setup
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# A booth booted by a real systemd in a container; needs root. The Debian in it is made once and kept in .cache.
booth-test: setup
	FAILSAFE_BOOTH_TEST=1 $(BIN)/python -m pytest tests/booth

# The public TUF conformance suite against the link's client: SUITE is a checkout of theupdateframework/tuf-conformance.
# Some ten minutes; wants `apt install faketime`.
conformance: setup
	test -d "$(SUITE)/tuf_conformance" || { echo "Say where its checkout is: make conformance SUITE=FOLDER"; exit 2; }
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH="$(SUITE)" $(BIN)/python -m pytest -q -p no:cacheprovider \
		--rootdir="$(SUITE)" -c "$(SUITE)/pyproject.toml" "$(SUITE)/tuf_conformance" \
		--entrypoint "$(CURDIR)/tests/conformance/client.py"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench

# What the index misses, held against everything compared with everything: some 20 minutes of one core, 4 GB of memory.
nightly: setup
	$(BIN)/python -m tests.bench.nightly

# What names are compared with in the bench, some 650 MB, apart from everything of ours. PyICU has no wheel and is not
# needed (tests/bench/rival.py), hence no dependencies but the pinned ones.
rivals: .venv-rivals/.installed

.venv-rivals/.installed: requirements/rivals.txt
	test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements/rivals.txt
	touch $@

# Thresholds of the booth's own radiation tests, trees that weigh names, thresholds of candidates: some 25 minutes.
calibrate: setup
	$(BIN)/python -m tests.calibrate
	$(BIN)/python -m tests.grow
	$(BIN)/python -m tests.grades

# What the README shows, from a running booth and headquarters.
pictures: setup
	$(BIN)/python -m tests.pictures

# Every text of the pages, into the catalogues of the other languages.
words: setup
	$(BIN)/python -m tests.wording

fuzz: setup
	$(BIN)/python -m tests.fuzz.zones -max_total_time=600 -rss_limit_mb=2048 -timeout=20

COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile -q --strip-extras --allow-unsafe --generate-hashes \
	--no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: setup
	$(COMPILE) --extra dev --extra hq -o requirements/dev.txt pyproject.toml
	$(COMPILE) -c requirements/dev.txt -o requirements/booth.txt pyproject.toml
	$(COMPILE) -c requirements/dev.txt --extra hq -o requirements/hq.txt pyproject.toml
	$(BIN)/python -m tests.bench.rival --stand-in .cache/wheels
	$(COMPILE) --no-allow-unsafe --unsafe-package pyicu --find-links .cache/wheels --pip-args "--only-binary :all:" -o requirements/rivals.txt requirements/rivals.in

clean:
	rm -rf .venv .venv-rivals build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
