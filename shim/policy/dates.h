/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of certificates as numbers. What X509_cmp_current_time(3) does for each comparison is a good part of what the shim
 * costs where a session resumes. Any thread.
 */
#ifndef TG_SHIM_POLICY_DATES_H
#define TG_SHIM_POLICY_DATES_H

#include "shim/binding/openssl.h"

#include <stdbool.h>
#include <stdint.h>

/* Seconds since the epoch; false where `time` cannot be read. */
bool tg_date_read(const ASN1_TIME *time, int64_t *ret_seconds);

#endif
