# SPDX-License-Identifier: Apache-2.0
"""A small TLS client for attacks: every message can be left out, repeated, reordered or forged.

It verifies nothing that the server shows. One suite for each version (ECDHE with AES-128-GCM, TLS_AES_128_GCM_SHA256),
X25519 or P-256, SHA-256.
"""
