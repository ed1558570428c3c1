"""What the report says about each of its pictures: a line for who cannot see it, and an explanation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """A picture's text: `alternative` in place of it, `explanation` below it."""

    alternative: str
    explanation: str


CAPTIONS = {
    "tour": Caption(
        """Distorted test digits with the sampling grid drawn over them, and the transformer's output below,
        before and after training.""",
        """The first test digit of each class, randomly distorted. The lattice drawn over an input is the
        sampling grid, a few of its lines, the first row heavy and the first point a dot; below it is what the
        transformer passes on, and what the whole network reads. Untrained, the transformer is the identity, and
        hands the digit on as it lies. Trained, its lattice tells what it has learned of the pose: moved, it
        follows the digit; smaller than the canvas, it magnifies; turned, it turns the digit back. Nobody ever
        told it where a digit is: that came from the classifier's loss alone, through the sampler's
        gradient.""",
    ),
    "poses": Caption(
        """Three test digits, each in several poses, with the trained transformer's output below each pose, and
        the mean over the poses at the right.""",
        """Three test digits, each in several random poses, and below each pose what the trained transformer
        passes on. At the right is the mean over the poses. That of the inputs is a blur, since they lie
        anywhere on the canvas; that of the outputs is the more legible, the better the transformer has undone
        the poses. An output need not be upright or centred: the classifier only gains if it is the same view
        each time. What variation remains is left to the classifier, whose pooling forgives a little.""",
    ),
    "errors": Caption(
        "Test errors of CNN and ST-CNN: a point for each seed, a bar for their mean.",
        """The share of test pictures that each trained network gets wrong: shorter is better. Each point is a
        training run with a seed of its own, for the weights, the order of the digits and their distortions. The
        line and the number are the mean of the runs. The test pictures are the same for all of them. How far
        the points of one row lie apart says how much of a difference between rows may be luck.""",
    ),
    "curves": Caption(
        "Training loss and validation error by epoch of CNN and ST-CNN: each seed, and their mean.",
        """On the left the training loss, on the right the share of wrong validation pictures, epoch by epoch.
        Thin lines are single seeds, heavy ones their mean. The digits are distorted anew in each epoch, so a
        network cannot learn the pictures by heart. Where the learning rate falls, the curves calm down. Nothing
        was chosen by the validation pictures in this tour: they are watched, and apart from the test
        pictures.""",
    ),
    "kink": Caption(
        """Value and derivative of a bilinear sample as it moves along the row 1, 5, 2, 9, and difference
        quotients at x = 1.""",
        """A sample moves along a row of four pixels, beyond which everything counts as zero. Its value is a
        chain of straight lines, so its derivative is a staircase that jumps at the pixel centres, where there
        is no derivative. There a rule has to choose: the slope on the right, that on the left, their mean, or
        what the published formula literally says, which at x = 1 is 5, and not even between the slopes 4 and
        −3. Difference quotients to one side come to the slope on that side, and stay with it until the step is
        so small that rounding takes over. The symmetric quotient comes to 1/2 as steadily as if it were a
        derivative, so a check of gradients that looks at nothing else is deceived.""",
    ),
}
