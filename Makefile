# Every target makes its own environment in .venv; running it again is instant.
PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif

# torch and the libraries that only its CUDA builds need: they depend on the machine and stay out of the lock files.
TORCH := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
	nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-config --custom-compile-command "make lock  (all but torch: see constraints.txt)" \
	pyproject.toml --constraint constraints.txt $(addprefix --no-emit-package ,$(TORCH))

.PHONY: app test bench torture evaluate-clip evaluate-faces evaluate-diffusion world train-clip train-judge train-world-judge train-style train-faces train-diffusion swatches wheel lock clean

app: .venv/app
	$(BIN)/python app.py

# One thread each is quickest: two processes share the cores.
test: export OMP_NUM_THREADS = 1
test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

torture: .venv/dev
	$(BIN)/python -m pytest -m torture

bench: .venv/dev
	$(BIN)/python -m benchmarks

evaluate-clip: .venv/dev
	$(BIN)/python -m benchmarks.evaluate_clip
	$(BIN)/python -m benchmarks.drawings
	$(BIN)/python -m benchmarks.drawings --rephrased

evaluate-faces: .venv/dev
	$(BIN)/python -m benchmarks.faces
	$(BIN)/python -m benchmarks.edits --sheets docs
	$(BIN)/python -m benchmarks.domains --ablation --sheets docs

evaluate-diffusion: .venv/dev
	$(BIN)/python -m benchmarks.pictures
	$(BIN)/python -m benchmarks.dreamstyler --sheets docs
	$(BIN)/python -m benchmarks.unclip --sheets docs

world: .venv/dev
	$(BIN)/python -m world.artists
	$(BIN)/python -m world.concepts

train-world-judge: .venv/dev
	$(BIN)/python -m training.world_judge

train-clip: .venv/dev
	$(BIN)/python -m training.clip
	$(BIN)/python -m training.clip_energy --export assets/clip/atelier-pocket.safetensors
	$(BIN)/python -m training.clip_text

train-judge: .venv/dev
	$(BIN)/python -m training.judge
	$(BIN)/python -m training.domain_judge

train-style: .venv/dev
	$(BIN)/python -m training.style_features

train-diffusion: .venv/dev
	$(BIN)/python -m training.diffusion
	$(BIN)/python -m training.structure
	$(BIN)/python -m training.unclip_prior
	$(BIN)/python -m training.unclip_decoder
	$(BIN)/python -m training.unclip_upsampler

train-faces: .venv/dev
	$(BIN)/python -m training.portrait_generator
	$(BIN)/python -m training.portrait_attributes
	$(BIN)/python -m training.portrait_identity
	$(BIN)/python -m training.portrait_relevance
	$(BIN)/python -m training.portrait_mappers
	$(BIN)/python -m training.portrait_domains

swatches: .venv/dev
	$(BIN)/python -m training.swatches

wheel: .venv/app
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# Everything but torch has one exact version and the hashes of its files; pip then adds the torch of this machine.
.venv/app: requirements.txt requirements.lock constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --requirement requirements.txt --constraint constraints.txt
	$(BIN)/python -c "from engines.vector import resolve_backend; resolve_backend('cpu')"  # compiles the rasteriser once
	touch $@

.venv/dev: requirements-dev.txt requirements-dev.lock .venv/app
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt --constraint constraints.txt
	touch $@

# Keeps the versions that are locked already; `make lock UPGRADE=--upgrade` takes the newest within the ranges.
lock: .venv/app
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) $(UPGRADE) --output-file requirements.lock
	$(LOCK) $(UPGRADE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock \
		$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock)

clean:
	rm -rf .venv outputs dist
