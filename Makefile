# Two commands do everything on a fresh machine with Python >= 3.11 and make:
#   make demo    installs into .venv and trains recipes/quickstart.yaml
#   make test    installs and runs lint, types, tests and the documentation build
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv inside the venv installs four times faster than pip; bytecode is compiled once, here, and not at every start.
STAMP := $(VENV)/.installed
PLUGINS := $(VENV)/.plugins

.PHONY: help demo test lint types unit slow docs clean
.DEFAULT_GOAL := help
help:
	@sed -n 's/^#   make/make/p' Makefile
demo: $(STAMP)
	$(BIN)/gmssl train recipes/quickstart.yaml

test: lint types unit docs

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	UV_LINK_MODE=copy $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -e ".[dev]"
	touch $(STAMP)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# Plugins are tested as installed. pylibmgm (GPL-3.0) is in the environment only: nothing that we distribute needs it.
$(PLUGINS): $(STAMP) $(wildcard plugins/*/pyproject.toml)
	UV_LINK_MODE=copy $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(addprefix -e ./,$(wildcard plugins/*))
	$(BIN)/uv pip install --quiet --python $(BIN)/python "pylibmgm>=1.1.3,<2" || echo "pylibmgm does not install here: the tests of plugins/gmssl-libmgm skip"
	touch $(PLUGINS)

unit: $(PLUGINS)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests plugins -n 2 --dist worksteal

slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests plugins -m slow -n 2 --dist worksteal

# The tables of docs/results.md, one target each; the same command goes on where a study was stopped.
SHARED ?= ../shared/data
SEEDS ?= 3
BRAIN = {kind: folder, root: $(SHARED)/brain_tumor_mri/train}
CHEST = {kind: manifest, path: $(SHARED)/chest_xray/index.csv}
UNION = {kind: union, of: [$(BRAIN), $(CHEST), {kind: folder, root: $(SHARED)/bccd/JPEGImages}, {kind: folder, root: $(SHARED)/nuclei/images}]}
STUDY = OMP_NUM_THREADS=1 $(BIN)/gmssl sweep recipes/lvm_med_corrected_r18.yaml --jobs 2 \
	--set views.large_size=48 --set 'encoder.channels=[16, 32, 64, 128]' --set 'schedule={kind: warmup_cosine, warmup: 1}' \
	--set train.epochs=100 --set train.max_steps=200 --set train.workers=0 --set train.picture_every=100 \
	--evaluate knn --evaluate linear --data brain=$(SHARED)/brain_tumor_mri/train
METHODS = $(STUDY) --data chest=$(SHARED)/chest_xray/index.csv --variants recipes/variants/methods_r18.yaml

STORE = runs/stores/shared

# The same on GPUs, of IMAGES (a folder) and judged on LABELLED: everything that is no part of a method is equal here.
DEVICES ?= 8
STUDY_GPU = $(BIN)/gmssl sweep --set 'data={kind: folder, root: $(IMAGES)}' --set balance=none --set train.devices=$(DEVICES) \
	--set train.batch=3200 --set train.epochs=100 --set encoder.pretrained=true --set 'views.large_scale=[0.2, 1.0]' \
	--set views.greyscale=0 --evaluate knn --evaluate linear --data $(LABELLED) --seeds $(SEEDS)

.PHONY: study-brain study-chest study-union study-balance study-starts judge-starts judge-starts-whole study-ablations study-ladder study-gpu study-gpu-ablations
study-brain: $(STAMP)
	$(METHODS) --set 'data=$(BRAIN)' --seeds $(SEEDS) --out runs/study/brain \
		--data official=$(SHARED)/brain_tumor_mri/train --test official=$(SHARED)/brain_tumor_mri/test
study-chest: $(STAMP)
	$(METHODS) --set 'data=$(CHEST)' --seeds $(SEEDS) --out runs/study/chest
study-union: $(STAMP)
	$(METHODS) --set 'data=$(UNION)' --seeds $(SEEDS) --out runs/study/union
study-balance: $(STORE)/store.json
	$(STUDY) --set 'data={kind: store, path: $(STORE)}' --variants recipes/variants/balance_r18.yaml --seeds $(SEEDS) \
		--data chest=$(SHARED)/chest_xray/index.csv --data ultrasound=$(SHARED)/breast_ultrasound/index.csv --out runs/study/balance
# What a start is worth: images of five sets, none of which is in the test sets of the benchmarks that are apart by a list.
study-starts: $(STORE)/store.json
	OMP_NUM_THREADS=1 $(BIN)/gmssl sweep lvm_med_corrected_r18 --variants recipes/variants/starts_lite0.yaml --jobs 2 \
		--set 'encoder={kind: timm, name: tf_efficientnet_lite0, in_channels: 3, output_stride: 16}' \
		--set 'data={kind: store, path: $(STORE), where: {dataset: [brain_tumor, chest, breast, BCCD, retina]}}' \
		--set train.batch=64 --set train.epochs=100 --set train.max_steps=80 --set train.workers=0 --set train.picture_every=100 \
		--set 'schedule={kind: warmup_cosine, warmup: 0.25}' --seeds $(SEEDS) --out runs/study/starts
# Judged: benchmarks for all encoders, with all labels and with a tenth of them; a JSON for each, and the report of all.
STARTS = runs/study/starts
ONE = --encoder '$(1) from $(2)=$(STARTS)/runs/variant=$(3)_from_$(4)_seed={seed}'
FROM_IMAGENET = $(call ONE,$(1),ImageNet,$(2),imagenet)
START = $(call ONE,$(1),random,$(2),random) $(FROM_IMAGENET)
REFERENCES = --encoder random \
	--encoder 'ImageNet=file:$(SHARED)/weights/tf_efficientnet_lite0_imagenet.safetensors' --set 'encoders=[]' \
	--set 'encoder={kind: timm, name: tf_efficientnet_lite0, in_channels: 3, output_stride: 16}'
ENCODERS = $(call START,SimCLR,simclr) $(call START,VICRegL,vicregl) $(call START,LVM-Med,lvm_med) \
	$(call START,LVM-Med local,lvm_med_local) $(REFERENCES)
ENCODERS_WHOLE = $(call FROM_IMAGENET,SimCLR,simclr) $(call FROM_IMAGENET,VICRegL,vicregl) \
	$(call FROM_IMAGENET,LVM-Med,lvm_med) $(call FROM_IMAGENET,LVM-Med local,lvm_med_local) $(REFERENCES)
LINEAR = --set task.size=64 --set training.frozen=true --set training.epochs=20 --set task.standardise=true --set 'task.augmentation={}'
NUCLEI = --set task.size=96 --set training.epochs=4
BENCHMARKS = brain brain_tenth chest chest_tenth ultrasound ultrasound_tenth nuclei
SHIPPED_brain = brain_tumor_linear $(LINEAR)
SHIPPED_chest = chest_finetune $(LINEAR)
SHIPPED_ultrasound = breast_ultrasound_linear $(LINEAR)
SHIPPED_nuclei = nuclei_unet $(NUCLEI)
# Trained whole, from ImageNet only, as each fit takes minutes: classifiers fine-tuned in two folds, and detection; a tenth
# of the labels has more epochs of fewer images.
TUNED = --set task.size=64 --set 'task.augmentation={}' --set split.folds=2 --set split.validation=0.1 --set training.epochs=3 \
	--set training.batch=32
WHOLE = brain_tuned brain_tuned_tenth chest_tuned ultrasound_tuned bccd
SHIPPED_brain_tuned = brain_tumor_finetune $(TUNED)
SHIPPED_chest_tuned = chest_finetune $(TUNED)
SHIPPED_ultrasound_tuned = breast_ultrasound_linear $(TUNED) --set task.standardise=false --set training.frozen=false \
	--set training.optimiser.learning_rate=5.0e-4
SHIPPED_bccd = bccd_faster_rcnn --set training.epochs=3
judge-starts: $(BENCHMARKS:%=$(STARTS)/%.json)
	$(BIN)/gmssl report $^ --out $(STARTS)/report
judge-starts-whole: $(WHOLE:%=$(STARTS)/%.json)
	$(BIN)/gmssl report $^ --out $(STARTS)/report_whole
$(STARTS)/%.json: | $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/gmssl evaluate $(SHIPPED_$(*:_tenth=)) \
		$(if $(filter $*,$(WHOLE)),$(ENCODERS_WHOLE),$(ENCODERS)) --set name=$* --set published=[] --set pictures=false --set seeds=[0,1,2] \
		$(if $(findstring _tenth,$*),--set split.labels=0.1) $(if $(findstring tuned_tenth,$*),--set training.epochs=10) --json $@
$(STORE)/store.json: | $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/gmssl data build shared --set root=$(SHARED) --out $(STORE) --jobs 2
study-ablations: $(STAMP)
	$(STUDY) --set 'data=$(BRAIN)' --variants recipes/variants/ablations_r18.yaml --seeds $(SEEDS) --out runs/study/ablations
study-ladder: $(STAMP)
	$(STUDY) --set 'data=$(BRAIN)' --variants recipes/variants/ladder_r18.yaml --seeds $(SEEDS) --out runs/study/ladder
study-gpu: $(STAMP)
	$(STUDY_GPU) --variants recipes/variants/methods_r50.yaml --out runs/study/gpu recipes/lvm_med_corrected_r50.yaml
study-gpu-ablations: $(STAMP)
	$(STUDY_GPU) --variants recipes/variants/ablations_r50.yaml --out runs/study/gpu_ablations recipes/lvm_med_r50.yaml

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site
