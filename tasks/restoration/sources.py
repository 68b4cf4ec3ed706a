"""Where the restoration sets come from and where they lie: what `lwdna data` reads."""

from __future__ import annotations

from lwdna_core.data.sources import Download, Source

FOLDER = "restoration"  # below the data folder
_ETH = "http://data.vision.ee.ethz.ch/cvl/DIV2K"
_BENCHMARK = "https://cv.snu.ac.kr/research/EDSR/benchmark.tar"
_DNCNN = "https://github.com/cszn/DnCNN/archive/refs/heads/master.zip"
_CBSD68 = Download(
    "https://github.com/clausmichele/CBSD68-dataset/archive/refs/heads/master.zip",
    f"{FOLDER}/CBSD68",
    members="CBSD68-dataset-master/CBSD68/original_png",
    name="CBSD68.zip",
)
_BSDS500 = Download(
    "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz",
    f"{FOLDER}/BSDS500",
    members="BSR/BSDS500/data/images",
)
_BSDS_HOME = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html"
_DIV2K_HOME = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_RESEARCH = "research only; the photographs are their owners'"


def _eth(archive: str, md5: str, size: int | None = None) -> Download:
    return Download(f"{_ETH}/{archive}.zip", f"{FOLDER}/DIV2K", f"md5:{md5}", size)


def _benchmark(name: str, folder: str, summary: str, homepage: str) -> Source:
    download = Download(_BENCHMARK, f"{FOLDER}/{name}", members=f"benchmark/{folder}")
    return Source(name, summary, (f"{FOLDER}/{name}",), (download,), homepage=homepage)


def _cszn(name: str, folder: str, summary: str) -> Source:
    download = Download(_DNCNN, f"{FOLDER}/{name}", members=f"DnCNN-master/{folder}", name="cszn-DnCNN.zip")
    home = "https://github.com/cszn/DnCNN"
    return Source(name, summary, (f"{FOLDER}/{name}/*.png",), (download,), homepage=home)


SOURCES = (
    Source(
        "photos", "9 photographs for training and 4 for testing; they come with scikit-image", (),
        homepage="https://scikit-image.org", licence="see scikit-image's data folder",
    ),
    Source(
        "DIV2K", "800 photographs of 2K for training; LR images are made where they are not there",
        (f"{FOLDER}/DIV2K/DIV2K_train_HR",),
        (_eth("DIV2K_train_HR", "bdc2d9338d4e574fe81bf7d158758658", 3_530_603_713),),
        counts={f"{FOLDER}/DIV2K/DIV2K_train_HR/*.png": 800}, homepage=_DIV2K_HOME, licence=_RESEARCH,
    ),
    Source(
        "DIV2K-valid", "100 photographs of 2K with LR images at scales 2, 3 and 4",
        (f"{FOLDER}/DIV2K/DIV2K_valid_HR",),
        (
            _eth("DIV2K_valid_HR", "9fcdda83005c5e5997799b69f955ff88"),
            _eth("DIV2K_valid_LR_bicubic_X2", "1512c9a3f7bde2a1a21a73044e46b9cb"),
            _eth("DIV2K_valid_LR_bicubic_X3", "18b1d310f9f88c13618c287927b29898"),
            _eth("DIV2K_valid_LR_bicubic_X4", "21962de700c8d368c6ff83314480eff0"),
        ),
        counts={f"{FOLDER}/DIV2K/DIV2K_valid_HR/*.png": 100}, homepage=_DIV2K_HOME, licence=_RESEARCH,
    ),
    Source(
        "Flickr2K", "2,650 photographs of 2K for training", (f"{FOLDER}/Flickr2K/Flickr2K_HR",),
        (Download("https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar", FOLDER),),
        counts={f"{FOLDER}/Flickr2K/Flickr2K_HR/*.png": 2650},
        homepage="https://github.com/limbee/NTIRE2017", licence=_RESEARCH,
    ),
    Source(
        "BSDS500", "200 photographs of 481x321 for training: the training part of Berkeley's segmentation data",
        (f"{FOLDER}/BSDS500*/*",), (_BSDS500,), homepage=_BSDS_HOME, licence=_RESEARCH,
    ),
    Source(
        "BSD400", "400 photographs of 481x321 for training: the training and the test part of Berkeley's data",
        (f"{FOLDER}/BSDS500/test",), (_BSDS500,), homepage=_BSDS_HOME, licence=_RESEARCH,
    ),
    Source(
        "T91", "91 small images for training (Yang et al., 2010)", (f"{FOLDER}/T91/*",),
        homepage="https://cv.snu.ac.kr/research/VDSR/",
        login="The folder `91` of VDSR's train_data.zip is this set: put its images there.",
    ),
    _cszn("Train400", "TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Train400", "DnCNN's 400 gray images of 180x180"),
    _benchmark("Set5", "Set5", "5 test images, scales 2, 3 and 4", "https://people.rennes.inria.fr/Aline.Roumy/results/SR_BMVC12.html"),
    _benchmark("Set14", "Set14", "14 test images, scales 2, 3 and 4", "https://sites.google.com/site/romanzeyde/research-interests"),
    _benchmark("BSD100", "B100", "100 test photographs: the validation part of BSDS500", _BSDS_HOME),
    _benchmark("Urban100", "Urban100", "100 test photographs of buildings", "https://github.com/jbhuang0604/SelfExSR"),
    _cszn("Set12", "testsets/Set12", "12 gray test images"),
    _cszn("BSD68", "testsets/BSD68", "68 gray test photographs, of the validation part of BSDS500"),
    Source(
        "CBSD68", "68 colour test photographs, of the validation part of BSDS500", (f"{FOLDER}/CBSD68/*",),
        (_CBSD68,),
        homepage="https://github.com/clausmichele/CBSD68-dataset",
    ),
    Source(
        "Kodak24", "24 colour test photographs", (f"{FOLDER}/Kodak24/*.png",),
        tuple(
            Download(f"https://r0k.us/graphics/kodak/kodak/{name}", f"{FOLDER}/Kodak24/{name}", unpack=False)
            for name in (f"kodim{k:02}.png" for k in range(1, 25))
        ),
        counts={f"{FOLDER}/Kodak24/*.png": 24}, homepage="https://r0k.us/graphics/kodak/", licence="unrestricted use",
    ),
    Source(
        "McMaster", "18 colour test images", (f"{FOLDER}/McMaster/*",),
        homepage="https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm",
        login="Its homepage offers the images: put them there.",
    ),
)  # fmt: skip
