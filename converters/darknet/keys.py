"""The keys that a cfg may hold, and what to say of others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from .cfg import Section
from .layers import UNSUPPORTED_KEYS

_TRAINING_HEAD = """
    bias_match coords jitter rescore object_scale noobject_scale class_scale coord_scale mask_scale absolute thresh random
    ignore_thresh truth_thresh iou_thresh iou_normalizer cls_normalizer obj_normalizer delta_normalizer uc_normalizer iou_loss
    iou_thresh_kind objectness_smooth resize max max_delta counters_per_class label_smooth_eps focal_loss show_details beta1
    embedding_layer track_history_size sim_thresh dets_for_show dets_for_track track_ciou_norm map log sqrt
    nms_kind beta_nms
"""
_COMMON = """
    stopbackward train_only_bn onlyforward dontload dontloadscales dont_update freeze name stream wait_stream learning_rate
    burnin_update
"""
_SHAPING = {
    "net": "width height channels letter_box",
    "convolutional": "filters size stride stride_x stride_y pad padding dilation groups batch_normalize cbn activation",
    "maxpool": "size stride stride_x stride_y padding out_channels",
    "local_avgpool": "size stride stride_x stride_y padding",
    "avgpool": "",
    "upsample": "stride scale",
    "route": "layers groups group_id",
    "shortcut": "from activation weights_type weights_normalization",
    "reorg": "stride reverse",
    "reorg3d": "stride reverse",
    "scale_channels": "from scale_wh activation",
    "sam": "from activation",
    "dropout": "",
    "empty": "",
    "yolo": "mask anchors classes num scale_x_y new_coords",
    "Gaussian_yolo": "mask anchors classes num scale_x_y yolo_point",
    "region": "anchors classes num softmax tree",
}
_OTHER = {
    "net": """
        batch subdivisions momentum decay angle saturation exposure hue learning_rate learning_rate_min burn_in power max_batches
        policy steps scales seq_scales step scale gamma mosaic mosaic_bound cutmix mixup blur gaussian_noise ema_alpha track
        time_steps augment_speed max_epochs contrastive contrastive_jit_flip contrastive_color unsupervised adam B1 B2 eps
        adversarial_lr attention label_smooth_eps sgdr_cycle sgdr_mult sequential_subdivisions try_fix_nan max_crop min_crop
        flip aspect color_jitter resize_step dynamic_minibatch optimized_memory workspace_size_limit_MB loss_scale
        max_chart_loss num_sigmas_reject_badlabels equidistant_point badlabels_rejection_percentage notruth h w c inputs trt
        show_receptive_field weights_reject_freq burnin hue_jitter cudnn_half weights_only
    """,
    "convolutional": "bin_output angle grad_centr assisted_excitation dot",
    "dropout": "probability dropblock dropblock_size_rel dropblock_size_abs",
    "yolo": _TRAINING_HEAD,
    "Gaussian_yolo": _TRAINING_HEAD,
    "region": _TRAINING_HEAD,
}
_ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "max": "maxpool",
    "local_avg": "local_avgpool",
    "avg": "avgpool",
    "silence": "empty",
}


def check_keys(sections: Iterable[Section]) -> list[str]:
    """Warnings for the keys that nothing knows.

    Raises:
        InputError: an unknown key is so near to one that shapes the layer that it must be meant.
    """
    return [warning for section in sections for warning in _check_section(section)]


def _check_section(section: Section) -> Iterator[str]:
    name = _ALIASES.get(section.name, section.name)
    shaping = _SHAPING.get(name, "").split()
    known = {*shaping, *_OTHER.get(name, "").split(), *_COMMON.split(), *UNSUPPORTED_KEYS.get(name, ())}
    for key in section.options:
        if key in known:
            continue
        meant = [
            close for close in difflib.get_close_matches(key, shaping, n=1, cutoff=0.8) if close not in section.options
        ]
        if meant:
            raise section.error(f"{key}= is unknown, and {meant[0]}= is missing; did you mean {meant[0]}=?", key)
        yield f"{section.where(key)} {key}= is unknown and was ignored"
