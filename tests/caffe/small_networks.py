"""Prototxts of small networks in the style of GoogLeNet and ResNet, for comparing engines layer by layer."""

from __future__ import annotations


def layer(name: str, kind: str, bottoms: str, top: str = "", **params: str) -> str:
    """One layer; `params` are messages as text: `convolution_param="num_output: 4 kernel_size: 3"`."""
    lines = [f'bottom: "{bottom}"' for bottom in bottoms.split()]
    fields = [f"{name} {{ {text} }}" for name, text in params.items()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(lines)} top: "{top or name}" {" ".join(fields)} }}\n'


def relu(name: str, blob: str) -> str:
    return layer(name, "ReLU", blob, blob)


def convolution(name: str, bottom: str, outputs: int, kernel: int, more: str = "") -> str:
    return layer(name, "Convolution", bottom, convolution_param=f"num_output: {outputs} kernel_size: {kernel} {more}")


def inception(name: str, bottom: str) -> str:
    branches = [(f"{name}/1x1", bottom, 6, 1, ""), (f"{name}/3x3_reduce", bottom, 4, 1, "")]
    branches += [(f"{name}/3x3", f"{name}/3x3_reduce", 8, 3, "pad: 1"), (f"{name}/5x5_reduce", bottom, 3, 1, "")]
    branches += [(f"{name}/5x5", f"{name}/5x5_reduce", 5, 5, "pad: 2"), (f"{name}/pool_proj", f"{name}/pool", 4, 1, "")]
    text = layer(f"{name}/pool", "Pooling", bottom, pooling_param="pool: MAX kernel_size: 3 stride: 1 pad: 1")
    for branch in branches:
        text += convolution(*branch) + relu(f"{branch[0]}/relu", branch[0])
    joined = " ".join(f"{name}/{end}" for end in ("1x1", "3x3", "5x5", "pool_proj"))
    return text + layer(f"{name}/output", "Concat", joined)


def googlenet_like() -> str:
    """conv, max pooling that rounds up, LRN on both sides, two inception modules, dropout, a classifier.

    Unlike GoogLeNet's, the windows of pool1 do not overlap: two that share their maximum make an exact tie in the
    pooling layer of the module above, which float noise then decides.
    """
    lrn = "local_size: 5 alpha: 0.5 beta: 0.75"
    return (
        'name: "googlenet-like"\ninput: "data"\ninput_shape { dim: 1 dim: 3 dim: 42 dim: 38 }\n'
        + convolution("conv1", "data", 8, 5, "pad: 2 stride: 2")
        + relu("conv1/relu", "conv1")
        + layer("pool1", "Pooling", "conv1", pooling_param="pool: MAX kernel_size: 2 stride: 2")
        + layer("norm1", "LRN", "pool1", lrn_param=lrn)
        + inception("3a", "norm1")
        + layer("norm2", "LRN", "3a/output", lrn_param=lrn)
        + inception("3b", "norm2")
        + layer("pool5", "Pooling", "3b/output", pooling_param="pool: AVE kernel_size: 4 stride: 1")
        + layer("drop5", "Dropout", "pool5", "pool5")
        + layer("classifier", "InnerProduct", "pool5", inner_product_param="num_output: 7")
        + layer("prob", "Softmax", "classifier")
    )


def _normalized(name: str, bottom: str, outputs: int, kernel: int, more: str, is_rectified: bool) -> str:
    text = convolution(name, bottom, outputs, kernel, more + " bias_term: false")
    text += layer(f"bn_{name}", "BatchNorm", name, name) + layer(
        f"scale_{name}", "Scale", name, name, scale_param="bias_term: true"
    )
    return text + (relu(f"{name}_relu", name) if is_rectified else "")


def _block(name: str, bottom: str, outputs: int, stride: int, is_projected: bool) -> str:
    text, shortcut = "", bottom
    if is_projected:
        shortcut = f"{name}_branch1"
        text += _normalized(shortcut, bottom, outputs, 1, f"stride: {stride}", False)
    text += _normalized(f"{name}_branch2a", bottom, 4, 1, f"stride: {stride}", True)
    text += _normalized(f"{name}_branch2b", f"{name}_branch2a", 4, 3, "pad: 1", True)
    text += _normalized(f"{name}_branch2c", f"{name}_branch2b", outputs, 1, "", False)
    return text + layer(name, "Eltwise", f"{shortcut} {name}_branch2c") + relu(f"{name}_relu", name)


def resnet_like() -> str:
    """BatchNorm, Scale and ReLU in place on one blob, blocks with and without a projection, leaky ReLU not in place."""
    return (
        'name: "resnet-like"\nlayer { name: "input" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 3 dim: 33 dim: 33 } } }\n"
        + _normalized("conv1", "data", 8, 7, "pad: 3 stride: 2", True)
        + layer("pool1", "Pooling", "conv1", pooling_param="pool: MAX kernel_size: 3 stride: 2")
        + _block("res2a", "pool1", 10, 1, True)
        + _block("res2b", "res2a", 10, 1, False)
        + layer("leaky", "ReLU", "res2b", relu_param="negative_slope: 0.1")
        + _block("res3a", "leaky", 12, 2, True)
        + layer("pool5", "Pooling", "res3a", pooling_param="pool: AVE global_pooling: true")
        + layer("fc", "InnerProduct", "pool5", inner_product_param="num_output: 5")
        + layer("prob", "Softmax", "fc")
    )


def every_rectifier() -> str:
    """Each activation that backward modes have a rule for, and those beside them that they have none for; in place and
    not."""
    clip, swish = "min: 0 max: 0.8", "beta: 1.7"
    return (
        'name: "rectifiers"\ninput: "data"\ninput_shape { dim: 1 dim: 3 dim: 20 dim: 18 }\n'
        + convolution("conv1", "data", 6, 3, "pad: 1")
        + layer("swish1", "Swish", "conv1", swish_param=swish)
        + convolution("conv2", "swish1", 6, 3, "pad: 1")
        + layer("clip2", "Clip", "conv2", clip_param=clip)
        + layer("pool1", "Pooling", "clip2", pooling_param="pool: MAX kernel_size: 2 stride: 2")
        + convolution("conv3", "pool1", 5, 3, "pad: 1")
        + layer("clip3", "Clip", "conv3", "conv3", clip_param="min: 0 max: 6")
        + convolution("conv4", "conv3", 5, 3, "pad: 1")
        + layer("swish4", "Swish", "conv4", "conv4")
        + convolution("conv5", "conv4", 5, 1)
        + layer("leaky5", "ReLU", "conv5", "conv5", relu_param="negative_slope: 0.1")
        + convolution("conv6", "conv5", 5, 1)
        + layer("clip6", "Clip", "conv6", clip_param="min: -0.5 max: 0.5")
        + convolution("conv7", "clip6", 5, 1)
        + layer("elu7", "ELU", "conv7", "conv7")
        + layer("classifier", "InnerProduct", "conv7", inner_product_param="num_output: 7")
        + layer("prob", "Softmax", "classifier")
    )
