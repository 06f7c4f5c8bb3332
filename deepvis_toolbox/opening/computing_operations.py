"""The operations of ATen that an exported program from a file may name."""

from __future__ import annotations

_NAMES = """
conv1d conv2d conv3d conv_transpose2d convolution linear bilinear matmul mm bmm addmm baddbmm addbmm einsum dot mv
batch_norm layer_norm group_norm instance_norm rms_norm norm linalg_vector_norm local_response_norm
native_layer_norm native_group_norm _native_batch_norm_legit_no_training _native_batch_norm_legit max_pool1d max_pool2d
max_pool2d_with_indices avg_pool1d avg_pool2d avg_pool3d max_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
_adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool1d relu relu_ relu6 relu6_ leaky_relu leaky_relu_ silu
silu_ gelu hardswish hardswish_ mish mish_ prelu elu elu_ selu selu_ celu sigmoid sigmoid_ hardsigmoid hardsigmoid_
tanh tanh_ hardtanh hardtanh_ softplus threshold threshold_ rrelu softshrink hardshrink logsigmoid log_sigmoid
softmax _softmax log_softmax _log_softmax glu dropout dropout_ feature_dropout alpha_dropout native_dropout add add_
sub sub_ rsub mul mul_ div div_ neg pow sqrt rsqrt exp expm1 log log1p log2 log10 abs sign sin cos tan asin acos
atan atan2 sinh cosh erf floor ceil round trunc frac reciprocal square maximum minimum fmax fmin clamp clamp_
clamp_min clamp_min_ clamp_max clamp_max_ clip clip_ where masked_fill masked_fill_ fill fill_ zero_ copy_ copy
heaviside lerp remainder fmod floor_divide eq ne lt le gt ge logical_and logical_or logical_not logical_xor
bitwise_and bitwise_or bitwise_not isnan isinf isfinite mean sum prod amax amin max min argmax argmin any all std
var var_mean std_mean logsumexp cumsum cumprod topk sort argsort flatten reshape view _unsafe_view view_as
reshape_as permute transpose t squeeze unsqueeze unflatten movedim expand expand_as broadcast_to repeat tile flip
roll rot90 slice select narrow index index_put index_put_ index_select gather scatter scatter_add cat stack concat
chunk split split_with_sizes tensor_split unbind unfold im2col col2im diagonal tril triu pad constant_pad_nd
reflection_pad2d replication_pad2d pixel_shuffle pixel_unshuffle channel_shuffle upsample_nearest2d
upsample_bilinear2d upsample_bicubic2d _upsample_nearest_exact2d _upsample_bilinear2d_aa upsample_nearest1d
upsample_linear1d grid_sampler grid_sampler_2d affine_grid_generator scaled_dot_product_attention embedding one_hot
zeros ones full arange linspace eye scalar_tensor empty zeros_like ones_like full_like new_zeros new_ones new_full
tril_indices meshgrid contiguous clone detach detach_ alias lift_fresh lift_fresh_copy to _to_copy type_as float
sym_size sym_numel sym_stride _assert_tensor_metadata _assert_scalar sym_constrain_range
sym_constrain_range_for_size slice_scatter select_scatter outer normalize cosine_similarity cdist rand_like rand randn
randn_like bernoulli multinomial randint vdot _weight_norm _weight_norm_interface
"""

COMPUTING = frozenset(_NAMES.split())
"""Those which compute from tensors and numbers, and neither read nor write anything else."""
