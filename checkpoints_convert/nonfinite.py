"""Find NaN and infinity in stored weights while their bytes are at hand.

Decides: what a finite number looks like in each dtype: its exponent bits are not all ones. Does not: convert values.
"""

from typing import NamedTuple

from megatron_mathcoder.config.errors import CheckpointError


class Bits(NamedTuple):
    """An element as an unsigned integer of ``code`` (numpy's name): ``value & magnitude >= first`` is NaN or infinity."""

    code: str
    magnitude: int
    first: int


BITS = {
    "BF16": Bits("<u2", 0x7FFF, 0x7F80),
    "F16": Bits("<u2", 0x7FFF, 0x7C00),
    "F32": Bits("<u4", 0x7FFF_FFFF, 0x7F80_0000),
    "F64": Bits("<u8", 0x7FFF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000),
}


class FiniteCheck:
    """Raises ``CheckpointError`` at the first element of a tensor that is NaN or infinite; fed in order, in any pieces."""

    def __init__(self, name: str, dtype: str) -> None:
        """``name`` is for the message."""
        # 20 MB and 0.1 s that --help and small errors need not spend.
        import numpy

        self._numpy, self._name, self._bits, self._seen = numpy, name, BITS[dtype], 0
        self._rest = b""
        self._magnitudes = numpy.empty(0, self._bits.code)

    def feed(self, view: memoryview) -> None:
        """Look at the next bytes."""
        cut = (len(self._rest) + len(view)) % self._numpy.dtype(self._bits.code).itemsize
        if self._rest or cut:
            view = memoryview(self._rest + bytes(view))
        view, self._rest = view[: len(view) - cut], bytes(view[len(view) - cut :])
        values = self._numpy.frombuffer(view, self._bits.code)
        if self._magnitudes.size != values.size:
            self._magnitudes = self._numpy.empty_like(values)  # kept: a new one each time costs more than the check
        magnitudes = self._numpy.bitwise_and(values, values.dtype.type(self._bits.magnitude), out=self._magnitudes)
        if magnitudes.size and magnitudes.max() >= self._bits.first:
            place = self._seen + int((magnitudes >= self._bits.first).argmax())
            raise CheckpointError(
                f"{self._name}: element {place} is NaN or infinite; the model has diverged or the file is damaged, "
                "use another or add --allow-nonfinite"
            )
        self._seen += values.size
