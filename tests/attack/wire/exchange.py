# SPDX-License-Identifier: Apache-2.0
"""One side of a Diffie-Hellman exchange, in the group that the server wants."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attack.wire.hello import P256


class Exchange:
    def __init__(self, group):
        if group == P256:
            self._private = ec.generate_private_key(ec.SECP256R1())
            how = Encoding.X962, PublicFormat.UncompressedPoint
        else:
            self._private = X25519PrivateKey.generate()
            how = Encoding.Raw, PublicFormat.Raw
        self.group = group
        self.public = self._private.public_key().public_bytes(*how)

    def secret(self, theirs):
        if self.group == P256:
            return self._private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        return self._private.exchange(X25519PublicKey.from_public_bytes(theirs))
