"""The networks that the engine is tried on, in the order of the support table."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lwdna_core.networks import build_network

from . import restoration
from .judge import Network


def params(networks: list[Network]) -> list[object]:
    """The networks as parameters of a test, the slow ones marked."""
    return [pytest.param(n, id=n.name, marks=[pytest.mark.slow] if n.slow else []) for n in networks]


def cifar(name: str, family: str, **more: object) -> Network:
    return Network(f"pytorchcv:{name}_cifar10", family, (1, 3, 32, 32), **more)  # type: ignore[arg-type]


def net(name: str, family: str, size: int = 224, **more: object) -> Network:
    return Network(f"pytorchcv:{name}", family, (1, 3, size, size), **more)  # type: ignore[arg-type]


SMALL = {"in_size": (64, 64)}  # pooling windows follow it


def condensenet() -> nn.Module:
    """With indices such as training leaves; in a fresh network they are 0, so that it reads a single channel."""
    network = build_network("pytorchcv:condensenet74_c4_g4")
    for name, buffer in network.named_buffers():
        if name.endswith("index"):
            buffer.copy_(torch.randperm(buffer.numel()))
    return network


PYTORCHCV = [
    net("resnet10", "ResNet"),
    net("resnet50", "ResNet"),
    cifar("resnet20", "ResNet", slow=False),
    net("resneta10", "ResNet-A"),
    net("resnetd50b", "ResNet-D"),
    net("preresnet10", "PreResNet"),
    cifar("preresnet20", "PreResNet", slow=False),
    net("resnext14_32x4d", "ResNeXt"),
    net("senet16", "SENet"),
    cifar("seresnet20", "SE-ResNet", slow=False),
    net("seresnext50_32x4d", "SE-ResNeXt"),
    net("sknet50", "SKNet"),
    net("densenet121", "DenseNet"),
    net("densenet169", "DenseNet"),
    cifar("densenet40_k12_bc", "DenseNet", slow=False),
    net("sparsenet121", "SparseNet"),
    net("hardnet39ds", "HarDNet"),
    net("dpn68", "DPN"),
    net("wrn50_2", "WRN"),
    cifar("wrn16_10", "WRN"),
    net("vgg11", "VGG"),
    net("bn_vgg11", "VGG"),
    cifar("nin", "NiN", slow=False),
    net("alexnet", "AlexNet"),
    net("zfnet", "ZFNet"),
    net("shufflenet_g1_w1", "ShuffleNet"),
    net("shufflenet_g3_w1", "ShuffleNet"),
    net("shufflenetv2_w1", "ShuffleNet v2"),
    net("shufflenetv2b_wd2", "ShuffleNet v2"),
    net("menet108_8x1_g3", "MENet"),
    net("squeezenet_v1_1", "SqueezeNet"),
    net("squeezeresnet_v1_1", "SqueezeResNet"),
    net("sqnxt23_w1", "SqueezeNext"),
    net("igcv3_wd2", "IGCv3"),
    net("mobilenet_wd4", "MobileNet"),
    net("mobilenetv2_wd2", "MobileNet v2"),
    net("mobilenetv3_small_w1", "MobileNet v3"),
    net("fdmobilenet_wd4", "FD-MobileNet"),
    net("mnasnet_b1", "MNASNet"),
    net("mnasnet_a1", "MNASNet"),
    net("proxylessnas_cpu", "ProxylessNAS"),
    net("fbnet_cb", "FBNet"),
    net("spnasnet", "SPNASNet"),
    net("mixnet_s", "MixNet"),
    net("efficientnet_b0", "EfficientNet"),
    net("efficientnet_edge_small_b", "EfficientNet-Edge"),
    net("ghostnet", "GhostNet"),
    net("inceptionv3", "Inception v3", 299),
    net("inceptionv4", "Inception v4", 299),
    net("inceptionresnetv2", "Inception-ResNet v2", 299),
    net("bninception", "BN-Inception"),
    net("xception", "Xception", 299),
    net("polynet", "PolyNet", 331),
    net("nasnet_4a1056", "NASNet"),
    net("pnasnet5large", "PNASNet", 331),
    net("hrnet_w18_small_v1", "HRNet"),
    net("hrnetv2_w18", "HRNet"),
    net("dla34", "DLA"),
    net("regnetx002", "RegNet"),
    net("regnety002", "RegNet"),
    net("vovnet27s", "VoVNet"),
    net("peleenet", "PeleeNet"),
    net("selecsls42", "SelecSLS"),
    net("diracnet18v2", "DiracNet v2"),
    net("bagnet9", "BagNet"),
    net("fishnet99", "FishNet"),
    net("pyramidnet101_a360", "PyramidNet"),
    cifar("pyramidnet110_a48", "PyramidNet"),
    net("octresnet10_ad2", "OctResNet"),
    net("airnet50_1x64d_r2", "AirNet"),
    net("airnext50_32x4d_r2", "AirNeXt"),
    net("bam_resnet18", "BAM-ResNet"),
    net("cbam_resnet18", "CBAM-ResNet"),
    net("scnet50", "SCNet"),
    net("resnestabc14", "ResNeSt"),
    net("resattnet56", "Residual Attention"),
    net("ibn_resnet50", "IBN-ResNet"),
    net("drnd22", "DRN"),
    net("darknet_tiny", "DarkNet"),
    net("darknet53", "DarkNet-53"),
    net("channelnet", "ChannelNet"),
    net("condensenet74_c4_g4", "CondenseNet", build=condensenet),
    net("xdensenet121_2", "X-DenseNet"),
    cifar("xdensenet40_2_k24_bc", "X-DenseNet", slow=False),
    net("tresnet_m", "TResNet"),
    net("espnetv2_wd2", "ESPNetv2"),
    net("dicenet_wd5", "DiCENet", budget=1.0),
    net("isqrtcovresnet18", "iSQRT-COV-ResNet"),
    net("irevnet301", "i-RevNet"),
    net("revnet38", "RevNet"),
    net("msdnet22", "MSDNet"),
    cifar("fractalnet", "FractalNet"),
    cifar("rir", "RiR", slow=False),
    cifar("ror3_56", "RoR", slow=False),
    cifar("resdropresnet20", "ResDrop-ResNet", slow=False),
    cifar("shakeshakeresnet20_2x16d", "Shake-Shake", slow=False),
    cifar("shakedropresnet20", "ShakeDrop", slow=False),
    cifar("wrn20_10_1bit", "WRN-1bit"),
    net("unet_cityscapes", "U-Net", 64),
    net("linknet_cityscapes", "LinkNet", 64),
    net("lednet_cityscapes", "LEDNet", 64),
    net("segnet_cityscapes", "SegNet", 64),
    net("enet_cityscapes", "ENet", 64),
    net("erfnet_cityscapes", "ERFNet", 64),
    net("dabnet_cityscapes", "DABNet", 64),
    net("sinet_cityscapes", "SINet", 256),
    net("fastscnn_cityscapes", "Fast-SCNN", 64, options=SMALL),
    net("pspnet_resnetd50b_voc", "PSPNet", 64, options=SMALL),
    net("deeplabv3_resnetd50b_voc", "DeepLab v3", 64, options=SMALL),
    net("simplepose_resnet18_coco", "SimplePose", 64, options={"return_heatmap": True}),
    net("centernet_resnet18_voc", "CenterNet", 64),
]

PAIR = (torch.zeros(1, 3, 127, 127), torch.zeros(1, 3, 255, 255))

RESTORATION = [
    Network("EDSR-baseline x2", "EDSR", (1, 3, 16, 16), False, restoration.edsr_baseline),
    Network("EDSR x4", "EDSR", (1, 3, 12, 12), True, restoration.edsr),
    Network("SRResNet x4", "SRResNet", (1, 3, 16, 16), False, restoration.SrResNet),
    Network("RDN x2", "RDN", (1, 3, 12, 12), True, restoration.Rdn),
    Network("DnCNN", "DnCNN", (1, 1, 24, 24), False, restoration.DnCnn),
    Network(
        "FFDNet",
        "FFDNet",
        {"image": torch.zeros(1, 1, 24, 24), "sigma": torch.zeros(1, 1, 1, 1)},
        False,
        restoration.ffdnet,
    ),
    Network("U-Net (See in the Dark)", "U-Net", (1, 4, 32, 32), False, restoration.UNet),
    Network("U-Net with pixel shuffle", "U-Net", (1, 3, 32, 32), False, restoration.ShuffleUNet),
    Network("SiamFC", "Siamese tracker", PAIR, True, restoration.SiamFc, frozenset({"features.14"})),
    Network("SiamRPN", "Siamese tracker", PAIR, True, restoration.SiamRpn),
]


def timm(name: str, family: str, size: int = 224, **more: object) -> Network:
    return Network(f"timm:{name}", family, (1, 3, size, size), **more)  # type: ignore[arg-type]


TIMM = [
    timm("resnetv2_50", "ResNet v2", 64),
    timm("nf_resnet50", "NF-ResNet (weight-standardised)", 64),
    timm("dm_nfnet_f0", "NFNet (weight-standardised)", 64),
    timm("res2net50_26w_4s", "Res2Net", 64),
    timm("efficientnetv2_rw_s", "EfficientNet v2", 64),
    timm("convnext_atto", "ConvNeXt", 64, slow=False),
    timm("regnety_002", "RegNet", 64),
    timm("ghostnet_100", "GhostNet", 64),
    timm("mobilenetv4_conv_small", "MobileNet v4", 64, slow=False),
    timm("mobilenetv3_small_050", "MobileNet v3", 64),
    timm("tinynet_e", "TinyNet", 64, slow=False),
    timm("efficientnet_lite0", "EfficientNet-Lite", 64),
    timm("hardcorenas_a", "HardCoRe-NAS", 64),
    timm("eca_resnet33ts", "ECA-ResNet", 64),
    timm("dla34", "DLA", 64),
    timm("densenet121", "DenseNet", 64),
    timm("repvgg_a0", "RepVGG", 64, slow=False),
    timm("tresnet_m", "TResNet", 64),
    timm("hgnetv2_b0", "PP-HGNet v2", 64),
    timm("cspresnet50", "CSPNet", 64),
    timm("rexnet_100", "ReXNet", 64),
    timm("fasternet_t0", "FasterNet", 64),
    timm("inception_next_atto", "InceptionNeXt", 64),
]

NETWORKS = [*PYTORCHCV, *RESTORATION, *TIMM]
