"""`[net]`, the first section of a cfg: the network's input. Everything else in it is about training."""

from __future__ import annotations

from dataclasses import dataclass

from .cfg import Section

NAMES = ("net", "network")
KEYS = "width height channels letter_box"
IGNORED = """
    batch subdivisions momentum decay angle saturation exposure hue learning_rate learning_rate_min burn_in power max_batches
    policy steps scales seq_scales step scale gamma mosaic mosaic_bound cutmix mixup blur gaussian_noise ema_alpha track
    time_steps augment_speed max_epochs contrastive contrastive_jit_flip contrastive_color unsupervised adam B1 B2 eps
    adversarial_lr attention label_smooth_eps sgdr_cycle sgdr_mult sequential_subdivisions try_fix_nan max_crop min_crop
    flip aspect color_jitter resize_step dynamic_minibatch optimized_memory workspace_size_limit_MB loss_scale
    max_chart_loss num_sigmas_reject_badlabels equidistant_point badlabels_rejection_percentage notruth h w c inputs trt
    show_receptive_field weights_reject_freq burnin hue_jitter cudnn_half weights_only
"""


@dataclass(frozen=True)
class Net:
    """The input, channels x height x width, and whether pictures are letterboxed."""

    channels: int
    height: int
    width: int
    letter_box: bool


def parse_net(section: Section) -> Net:
    """Read `[net]`.

    Raises:
        InputError: it is not the first section, or has no usable size.
    """
    if section.name not in NAMES:
        raise section.error("a cfg begins with [net]; is this a part of another file?")
    height, width = (section.integer(key, 0, 1, 16384) for key in ("height", "width"))
    if not height or not width:
        raise section.error("needs width= and height= of the input")
    return Net(section.integer("channels", 3, 1, 1024), height, width, section.flag("letter_box"))
