"""Keeping a device talking that must be asked: when to ask, and what its silence means. Pure.

A detector that never answered, or that stops, must not look like a quiet one: its silence becomes a fault of the
device, which is over with its next good word.
"""

from __future__ import annotations

from failsafe.drivers.reading import DeviceHealth

AGAIN_S = 5.0


class Asking:
    """What a driver knows of its device's willingness.

    Time counts from the first question: a recording, whose device nobody asks, has no silence.

    Args:
        silent_after_s: a device that says nothing good for so long does not answer.
        again_s: it is asked again so long after a question that was not answered.
    """

    def __init__(self, silent_after_s: float, again_s: float = AGAIN_S) -> None:
        self._silent_after_s = silent_after_s
        self._again_s = again_s
        self._asked_at: float | None = None
        self._since: float | None = None  # the first question, then the last good word
        self._heard = False
        self._silent = False

    @property
    def answered(self) -> bool:
        """The device has said something good and has not fallen silent since."""
        return self._heard and not self._silent

    def due(self, now: float) -> bool:
        """Whether the device must be asked now; true counts as asked."""
        if self.answered or (self._asked_at is not None and now - self._asked_at < self._again_s):
            return False
        self._asked_at = now
        self._since = now if self._since is None else self._since
        return True

    def heard(self, now: float) -> list[DeviceHealth]:
        """A good word came; a silence that was told is over."""
        self._since, self._heard = now, True
        if not self._silent:
            return []
        self._silent = False
        return [DeviceHealth(now, "DEVICE", ok=True, detail="The device answers again.")]

    def silence(self, now: float) -> list[DeviceHealth]:
        """Time passed: a fault, once, where a device that was asked has been silent for too long."""
        if self._asked_at is None or self._silent or self._since is None or now - self._since <= self._silent_after_s:
            return []
        self._silent = True
        return [DeviceHealth(now, "DEVICE", ok=False, detail="The device does not answer.")]
