"""What augmentations do to embeddings, without a solve for each: streamed, learned, applied."""

from equiform.steering._steer import steer
from equiform.steering.learned import LearnedIsometry
from equiform.steering.streaming import StreamingIsometry

__all__ = ["LearnedIsometry", "StreamingIsometry", "steer"]
