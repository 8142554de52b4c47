"""Paths as the archives have them: which place each belongs to, and which patient it tells."""

from __future__ import annotations

import re

import pytest

from gmssl.corpus.catalogue.loading import Catalogue, load_catalogue
from gmssl.corpus.catalogue.patterns import matches
from gmssl.corpus.catalogue.verify import place_of

TCIA = "06-30-1988-ABDOMEN-1/2.000000-AXIAL-3/1-01.dcm"
UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.100530488926682752765845212286"
SLIDE = "TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500.png"

# dataset, path, what it holds (None: no place), patient it tells
PATHS: list[tuple[str, str, str | None, str | None]] = [
    ("HyperKvasir", "unlabeled-images/images/00003e63-6ee6-4251-9879-8a27856179db.jpg", "images", None),
    ("HyperKvasir", "labeled-images/lower-gi-tract/pathological-findings/polyps/0a1b.jpg", "images", None),
    ("HyperKvasir", "segmented-images/masks/0a1b.jpg", "masks", None),
    ("PatchCamelyon", "camelyonpatch_level_2_split_train_x.h5", "images", None),
    ("PatchCamelyon", "camelyonpatch_level_2_split_train_y.h5", "tables", None),
    ("PatchCamelyon", "camelyonpatch_level_2_split_train_x.h5.gz", None, None),
    ("BraTS2018", "HGG/Brats18_CBICA_ANZ_1/Brats18_CBICA_ANZ_1_t1ce.nii.gz", "images", "Brats18_CBICA_ANZ_1"),
    ("BraTS2018", "LGG/Brats18_TCIA09_255_1/Brats18_TCIA09_255_1_seg.nii.gz", "masks", "Brats18_TCIA09_255_1"),
    ("HNSCC", f"HNSCC/HNSCC-01-0001/{TCIA}", "images", "HNSCC-01-0001"),
    ("LiTS2017", "Training Batch 2/volume-106.nii", "images", "106"),
    ("LiTS2017", "Training Batch 2/segmentation-106.nii", "masks", None),
    ("LiTS2017", "LITS-Challenge-Test-Data/test-volume-3.nii", "images", "3"),
    ("MSD-Heart", "Task02_Heart/imagesTr/la_003.nii.gz", "images", "la_003"),
    ("MSD-Liver", "msd/Task03_Liver/imagesTr/liver_0.nii.gz", "images", "liver_0"),
    ("MSD-Liver", "msd/Task02_Heart/imagesTr/la_003.nii.gz", None, None),
    ("MSD-Lung", "Task06_Lung/imagesTr/lung_001.nii.gz", "images", "lung_001"),
    ("MSD-Lung", "Task06_Lung/labelsTr/lung_001.nii.gz", "masks", "lung_001"),
    ("MSD-Pancreas", "Task07_Pancreas/imagesTs/pancreas_002.nii.gz", "images", "pancreas_002"),
    ("MSD-HepaticVessel", "Task08_HepaticVessel/imagesTr/hepaticvessel_001.nii.gz", "images", "hepaticvessel_001"),
    ("MSD-Spleen", "Task09_Spleen/dataset.json", "tables", None),
    ("MSD-Spleen", "Task09_Spleen/imagesTr/spleen_10.nii.gz", "images", "spleen_10"),
    ("MSD-Colon", "Task10_Colon/imagesTr/colon_001.nii.gz", "images", "colon_001"),
    ("OPC-Radiomics", f"OPC-00543/{TCIA}", "images", "OPC-00543"),
    ("Osteosarcoma-UT", "Training-Set-1/set10/Case-3-A10-17206-19249.jpg", "images", "Case-3"),
    ("Osteosarcoma-UT", "Training-Set-2/set5/P9-B34-32214-14627.jpg", "images", "P9"),
    ("Pancreas-CT", f"Pancreas-CT/PANCREAS_0015/{TCIA}", "images", "PANCREAS_0015"),
    ("Pancreas-CT", "TCIA_pancreas_labels-02-05-2017/label0001.nii.gz", "masks", None),
    ("Pelvic-Reference-Data", f"Pelvic-Ref-047/{TCIA}", "images", "Pelvic-Ref-047"),
    ("ProstateX", f"PROSTATEx/ProstateX-0115/{TCIA}", "images", "ProstateX-0115"),
    ("TCGA-CESC", f"TCGA-CESC/TCGA-VS-A954/{TCIA}", "images", "TCGA-VS-A954"),
    ("TCGA-COAD", f"TCGA-CK-6747/{TCIA}", "images", "TCGA-CK-6747"),
    ("TCGA-ESCA", f"TCGA-VR-A8ER/{TCIA}", "images", "TCGA-VR-A8ER"),
    ("TCGA-KICH", f"TCGA-KM-8438/{TCIA}", "images", "TCGA-KM-8438"),
    ("TCGA-KIRC", f"TCGA-B0-5077/{TCIA}", "images", "TCGA-B0-5077"),
    ("TCGA-READ", f"TCGA-CL-4957/{TCIA}", "images", "TCGA-CL-4957"),
    ("TCGA-SARC", f"TCGA-QQ-A8VH/{TCIA}", "images", "TCGA-QQ-A8VH"),
    ("TCGA-THCA", f"TCGA-DE-A4MD/{TCIA}", "images", "TCGA-DE-A4MD"),
    ("VinDr", "train/9043e39c8e52843751e7cc9edc2c02e6.dicom", "images", None),
    ("VinDr", "train.csv", "tables", None),
    ("LUNA2016", f"subset0/{UID}.mhd", "images", UID),
    ("LUNA2016", f"subset0/{UID}.raw", "other", None),
    ("LUNA2016", f"seg-lungs-LUNA16/{UID}.mhd", "masks", UID),
    ("BCCD", "BCCD/JPEGImages/BloodImage_00001.jpg", "images", None),
    ("BCCD", "BCCD/ImageSets/Main/trainval.txt", "tables", None),
    ("C-NMC_Leukemia", "C-NMC_training_data/fold_0/all/UID_44_35_2_all.bmp", "images", "44"),
    ("C-NMC_Leukemia", "C-NMC_training_data/fold_2/hem/UID_H10_9_1_hem.bmp", "images", "H10"),
    ("C-NMC_Leukemia", "C-NMC_test_final_phase_data/C-NMC_test_final_phase_data/1.bmp", "images", None),
    ("CBIS-DDSM", "CBIS-DDSM/Calc-Test_P_00038_LEFT_CC/x/1-1.dcm", "images", "P_00038"),
    ("CBIS-DDSM", "jpeg/1.3.6.1.4.1.9590.100.1.2.100682860911308271813943300011840547108/1-102.jpg", "images", None),
    ("COVIDx", "2A_images/NCP_96_1328_0032.png", "images", "NCP_96"),
    ("COVIDx", "train_COVIDx_CT-2A.txt", "tables", None),
    ("Heidelberg-OCT", "OCT2017/train/CNV/CNV-1016042-1.jpeg", "images", "1016042"),
    ("Heidelberg-OCT", "OCT2017/test/DRUSEN/DRUSEN-1083159-4.jpeg", "images", "1083159"),
    ("m2caiSeg", "m2caiSeg dataset/train/images/015975.jpg", "images", None),
    ("m2caiSeg", "m2caiSeg dataset/trainval/images/015975.jpg", "other", None),
    ("m2caiSeg", "m2caiSeg dataset/train/groundtruth/015975.png", "masks", None),
    (
        "NuCLS",
        "rgb/TCGA-A2-A04P-DX1_id-5ea4_left-105249_top-48755.png",
        "images",
        "TCGA-A2-A04P",
    ),
    ("NuCLS", "train_test_splits/fold_1_train.csv", "tables", None),
    ("SARAS-MESAD", "mesad-real/train/images/real1_frame_1000.jpg", "images", "real1"),
    ("Shoulder-Sun-Yat-sen", "train/C1/CDJ+6.png", "images", "CDJ"),
    ("Shoulder-Sun-Yat-sen", "train/Others/12-17MML+-5+30.png", "images", "12-17MML"),
    ("Shoulder-Sun-Yat-sen", "train/A1/910drx.png", "images", "910drx"),
    ("Shenzhen", "ChinaSet_AllFiles/CXR_png/CHNCXR_0002_0.png", "images", None),
    ("Shenzhen", "mask/CHNCXR_0002_0_mask.png", "masks", None),
    ("ADNI-1.5T", "ADNI/002_S_0295/MPR/2006-04-18_08_20_30.0/I119322/ADNI_MR_I119322.nii", "images", "002_S_0295"),
    ("ADNI-3T", "ADNI/018_S_0055/MPR/2006-04-18_08_20_30.0/I31518/slice_1.dcm", "images", "018_S_0055"),
    ("AML-Cytomorphology", "AML-Cytomorphology/BAS/BAS_0002.tiff", "images", None),
    ("APTOS2019", "train_images/014508ccb9cb.png", "images", None),
    ("BCSS", f"0_Public-data-Amgad2019_0.25MPP/rgbs_colorNormalized/{SLIDE}", "images", "TCGA-A1-A0SK"),
    ("BCSS", f"0_Public-data-Amgad2019_0.25MPP/masks/{SLIDE}", "masks", "TCGA-A1-A0SK"),
    ("Dental-Panoramic", "DentalPanoramicXrays/Images/100.png", "images", None),
    ("Dental-Panoramic", "DentalPanoramicXrays/Segmentation1/100.png", "masks", None),
    ("HC18", "training_set/014_3HC.png", "images", "014"),
    ("HC18", "training_set/006_HC_Annotation.png", "masks", "006"),
    ("Hippseg2011", "Train/Original/HFH_008.hdr", "images", "008"),
    ("Hippseg2011", "Train/Label/HFH_008_Hipp_Labels.hdr", "masks", "008"),
    ("ISIC2019", "ISIC_2019_Training_Input/ISIC_2019_Training_Input/ISIC_0024763.jpg", "images", None),
    ("KiTS19-21", "kits19/data/case_00154/imaging.nii.gz", "images", "case_00154"),
    ("KiTS19-21", "kits19/data/case_00154/segmentation.nii.gz", "masks", "case_00154"),
    ("Kvasir-v2", "kvasir-dataset-v2/esophagitis/0339a2f7-65bb-41fb-8650-e119670b4e2e.jpg", "images", None),
    ("LHNCBC-Malaria", "cell_images/Parasitized/C100P61ThinF_IMG_20150918_144104_cell_162.png", "images", "C100P61"),
    ("LHNCBC-Malaria", "cell_images/Uninfected/C1_thinF_IMG_20150604_104722_cell_143.png", "images", "C1"),
    ("LHNCBC-Malaria", "cell_images/Uninfected/Thumbs.db", "other", None),
    ("MitoEM", "EM30-R-im/im/im0400.png", "images", "R"),
    ("MitoEM", "EM30-R-mito-train-val-v2/mito-val-v2/seg0400.tif", "masks", None),
    ("MLL-Bone-Marrow", "BM_cytomorphology_data/ABE/0001-1000/ABE_00002.jpg", "images", None),
    ("MLL-Bone-Marrow", "BM_cytomorphology_data/ABE/ABE_00002.jpg", "images", None),
    ("MMWHS-CT", "ct_train/ct_train_1005_image.nii.gz", "images", "train_1005"),
    ("MMWHS-CT", "ct_train/ct_train_1005_label.nii.gz", "masks", "train_1005"),
    ("MMWHS-CT", "mr_train/mr_train_1005_image.nii.gz", None, None),
    ("MMWHS-MRI", "mr_test/mr_test_2001_image.nii.gz", "images", "test_2001"),
    ("RSNA-Bone-Age", "boneage-training-dataset/boneage-training-dataset/10525.png", "images", None),
    ("RSNA-Bone-Age", "boneage-validation-dataset-1/boneage-validation-dataset-1/1386.png", "images", None),
    ("EyePACS", "train/10003_left.jpeg", "images", "10003"),
    ("EyePACS", "eyepacs_preprocess/eyepacs_preprocess/10003_left.jpeg", "images", "10003"),
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_each_dataset_has_an_example(catalogue: Catalogue) -> None:
    assert {name for name, _, holds, _ in PATHS if holds == "images"} == set(catalogue)


@pytest.mark.parametrize(("name", "path", "holds", "patient"), PATHS)
def test_a_path_of_the_archive(
    catalogue: Catalogue, name: str, path: str, holds: str | None, patient: str | None
) -> None:
    entry = catalogue[name]
    place = place_of(entry.layout, path, "archive")
    assert (None if place < 0 else entry.layout[place].holds) == holds
    if holds is not None:
        assert entry.split.patient_of(path) == patient


@pytest.mark.parametrize("name", sorted({name for name, *_ in PATHS}))
def test_official_parts_hold_images(catalogue: Catalogue, name: str) -> None:
    """Each official part has an example among the images, and each file that lists one is a table of the layout."""
    split, layout = catalogue[name].split, catalogue[name].layout
    pattern = split.official or split.listed
    if pattern is not None:
        there = [path for other, path, _, _ in PATHS if other == name and matches(pattern, path)]
        for path in there or [pattern.replace("**/", "").replace("*", "x")]:
            kind = layout[place_of(layout, path, "archive")].holds
            assert kind == ("images" if split.official is not None else "tables")


@pytest.mark.parametrize("name", sorted({name for name, *_ in PATHS}))
def test_no_place_is_hidden_by_an_earlier_one(catalogue: Catalogue, name: str) -> None:
    layout = catalogue[name].layout
    for number, place in enumerate(layout):
        plain = re.sub(r"\[([^\]])[^\]]*\]", r"\1", place.pattern)
        assert place_of(layout, plain.replace("**/", "").replace("*", "1"), "archive") == number, place.pattern
