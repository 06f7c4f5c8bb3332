"""BatchNorm: Caffe's, which stores sums and the factor that turns them into means."""

from __future__ import annotations

from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, Shape, layer_type


@layer_type("BatchNorm")
class BatchNorm(ElementwiseLayer):
    """(x - mean) / sqrt(variance + eps), with the stored statistics; scale and shift are a Scale layer's."""

    def setup(self) -> list[Shape]:
        param = self.definition.batch_norm_param
        if param.HasField("use_global_stats") and not param.use_global_stats:
            raise self.error(
                "use_global_stats", "is false: the batch's own statistics would mix its images; set it to true"
            )
        if not self.bottom:
            raise self.error("bottom", "it has no channels")
        if param.eps < 0:
            raise self.error("eps", f"is {param.eps}; it must not be below zero")
        self.parameters = [(self.bottom[0],), (self.bottom[0],), (1,)]
        return [self.bottom]

    def module(self) -> nn.Module:
        factor = float(self.blobs[2].reshape(()))
        factor = 1 / factor if factor else 0.0
        eps = self.definition.batch_norm_param.eps
        if bool((self.blobs[1] * factor < 0).any()):
            raise self.error("blobs", "a stored variance is negative; the weights are broken")
        if eps == 0 and bool((self.blobs[1] * factor == 0).any()):
            raise self.error("eps", "is 0, and so is a stored variance; there is nothing to divide by")
        kind = nn.BatchNorm2d if len(self.bottom) == 3 else nn.BatchNorm1d
        module = kind(self.bottom[0], eps=eps, affine=False)
        module.running_mean = self.blobs[0].reshape(-1) * factor
        module.running_var = self.blobs[1].reshape(-1) * factor
        return module
