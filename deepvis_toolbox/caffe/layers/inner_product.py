"""InnerProduct: a fully connected layer over everything from an axis on."""

from __future__ import annotations

import math

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import LayerType, Shape, layer_type


@layer_type("InnerProduct", old_name="INNER_PRODUCT")
class InnerProduct(LayerType):
    """Flattens its bottom from `axis` on, then multiplies."""

    def setup(self) -> list[Shape]:
        param = self.definition.inner_product_param
        self.outputs = self.positive("num_output", param.num_output)
        self.first = self.axis("axis", param.axis, self.bottom)
        self.inputs = math.prod(self.bottom[self.first - 1 :])
        weight = (self.inputs, self.outputs) if param.transpose else (self.outputs, self.inputs)
        self.parameters = [weight] + ([(self.outputs,)] if param.bias_term else [])
        return [(*self.bottom[: self.first - 1], self.outputs)]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        flat = bottoms[0]
        if len(self.bottom) > self.first:
            shape = (*self.bottom[: self.first - 1], self.inputs)
            flat = writer.internal(torch.flatten, flat, self.first, shape=shape)
        linear = nn.Linear(self.inputs, self.outputs, device="meta")
        weight = self.blobs[0].t().contiguous() if self.definition.inner_product_param.transpose else self.blobs[0]
        linear.weight = nn.Parameter(weight, requires_grad=False)
        bias = nn.Parameter(self.blobs[1], requires_grad=False) if len(self.blobs) > 1 else None
        linear.register_parameter("bias", bias)
        return [writer.module(self.definition.name, linear, flat)]
