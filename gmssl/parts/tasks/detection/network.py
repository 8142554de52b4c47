"""Faster R-CNN on a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from gmssl.interfaces.task import Backbone
from gmssl.parts.tasks.detection.examples import Batch
from gmssl.parts.tasks.detection.neck import Neck

_POOLED = 7
"""Side of the map that is pooled from a region."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the detector.

    Attributes:
        classes: how many, without the background.
        size: side of the square images, in pixels.
        channels: of the levels of the pyramid.
        head: width of the two layers that judge a region.
        anchor: sides of anchors, in cells of their level.
        proposals: regions of an image that are proposed to the head, twice as many in training.
        regions: those of them that the head learns from.
        most: most boxes that are predicted in an image.
        threshold: least score of a predicted box.
        overlap: IoU from which on the lower of two boxes of a class is left out.
    """

    classes: int
    size: int
    channels: int
    head: int
    anchor: float
    proposals: int
    regions: int
    most: int
    threshold: float
    overlap: float


class DetectionNetwork(nn.Module):
    """torchvision's Faster R-CNN over the levels of a backbone; see `gmssl.interfaces.task.TaskNetwork`.

    Images come at the size of the network, so that torchvision resizes nothing; it normalises them by the backbone's
    mean and deviation and fills up with zeros after that.
    """

    def __init__(self, backbone: Backbone, shape: Shape) -> None:
        super().__init__()
        self.backbone: Any = backbone
        neck = Neck(backbone, shape.channels, shape.size)
        self.detector: Any = FasterRCNN(
            neck,
            rpn_anchor_generator=AnchorGenerator(
                tuple((round(shape.anchor * stride),) for stride in neck.strides),
                ((0.5, 1.0, 2.0),) * len(neck.strides),
            ),
            box_roi_pool=MultiScaleRoIAlign(neck.names, _POOLED, sampling_ratio=2),
            box_head=TwoMLPHead(shape.channels * _POOLED**2, shape.head),
            box_predictor=FastRCNNPredictor(shape.head, shape.classes + 1),
            rpn_pre_nms_top_n_train=2 * shape.proposals,
            rpn_post_nms_top_n_train=2 * shape.proposals,
            rpn_pre_nms_top_n_test=shape.proposals,
            rpn_post_nms_top_n_test=shape.proposals,
            box_batch_size_per_image=shape.regions,
            box_detections_per_img=shape.most,
            box_score_thresh=shape.threshold,
            box_nms_thresh=shape.overlap,
            image_mean=list(backbone.mean),
            image_std=list(backbone.std),
            min_size=shape.size,
            max_size=shape.size,
            size_divisible=shape.size,
        )

    def loss(self, batch: Batch) -> Tensor:
        """Sum of the four losses of Faster R-CNN (objectness and boxes of proposals, classes and boxes of regions).

        The regions to learn from are drawn from torch's global generator.
        """
        self.train()
        targets = [{"boxes": b, "labels": c} for b, c in zip(batch["boxes"], batch["labels"], strict=True)]
        losses: dict[str, Tensor] = self._detected(batch, targets)
        return torch.stack([part.float() for part in losses.values()]).sum()

    @torch.no_grad()
    def predict(self, batch: Batch) -> list[dict[str, Tensor]]:
        """`boxes` `[n,4]` on the network's grid, `scores` `[n]` and `labels` `[n]`, counted from 1, of each image."""
        was = self.training
        self.eval()
        found: list[dict[str, Tensor]] = self._detected(batch, None)
        self.train(was)
        return found

    def _detected(self, batch: Batch, targets: list[dict[str, Tensor]] | None) -> Any:
        """Only encoder and pyramid compute in bfloat16 where that is asked for: boxes of it have steps of 2 pixels."""
        device = batch["images"].device.type
        self.detector.backbone.mixed = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False):
            return self.detector(_images(batch), targets)


def _images(batch: Batch) -> list[Tensor]:
    """Images `[K,h,w]` in [0, 1] without what fills the batch up."""
    every = batch["images"].float() / 255
    shapes = batch["shapes"].tolist()
    return [image[:, :height, :width] for image, (height, width) in zip(every, shapes, strict=True)]
