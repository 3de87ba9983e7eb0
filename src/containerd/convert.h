/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the types of this layer's interface and protobuf-c's. Inside of this layer.
 *
 * What is read from a reply is a copy (0 or -ENOMEM; *ret must be empty, and may be half filled on failure).
 * What is written for a request borrows: it is an array of structures that point into the caller's, to be
 * freed by free() alone. */

#include "base/error.h"
#include "containerd/runc-options.h"
#include "containerd/types.h"
#include "proto/google.pb-c.h"
#include "proto/runc.pb-c.h"
#include "proto/types.pb-c.h"

/* A copy, NULL for an absent string. */
int read_string(char **ret, const char *s);

/* Microseconds; 0 for none and for what lies before 1970. */
uint64_t read_timestamp(const Pb__Timestamp *timestamp);

int read_labels(Pb__Label *const *labels, size_t count, CtrLabels *ret);
int read_mounts(Types__Mount *const *mounts, size_t count, CtrMounts *ret);
int read_descriptor(const Types__Descriptor *descriptor, CtrDescriptor *ret);

/* Structures for a request, and the pointers to them that protobuf-c wants, in one piece of memory: NULL when
 * there are none. 0 or -ENOMEM. */
int write_labels(const CtrLabels *labels, Pb__Label ***ret, size_t *ret_count);
int write_mounts(const CtrMounts *mounts, Types__Mount ***ret, size_t *ret_count);
int write_platforms(const CtrPlatform *platforms, size_t count, Types__Platform ***ret, size_t *ret_count);

/* These borrow the array too: *storage has to be freed, after the message is sent. */
int write_descriptor(const CtrDescriptor *descriptor, Types__Descriptor *ret, Pb__Label ***storage);

/* Packs a message into an Any of this type. value.data is to be freed. */
int write_any(const char *type_url, const ProtobufCMessage *message, Pb__Any *ret);

/* "containerd.runc.v1.Options". */
int write_runc_options(const CtrRuncOptions *options, Pb__Any *ret);

/* 1 and the options, 0 when the Any (NULL: none) holds something else; or an error. */
int read_runc_options(const Pb__Any *any, CtrRuncOptions *ret, Error *error);

/* Whether the Any holds this type, with any prefix that ends in a slash ("types.googleapis.com/"). */
bool any_is(const Pb__Any *any, const char *type) _pure_;
