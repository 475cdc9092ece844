#ifndef VIV_TESTS_UNIT_ZKDATA_SUPPORT_H
#define VIV_TESTS_UNIT_ZKDATA_SUPPORT_H

#include <stdint.h>

#include "base/status.h"
#include "tree/tree.h"

/* Data sets, folders of one test, and the comparison of a tree with a data set's JSON. */

/* Path of a data set's file; the answer lives until the next call. */
const char *zk_dataset(const char *name);

/* A folder in /tmp; returned owned. */
char *zk_folder_new(void);
void zk_folder_free(char *folder); /* with all that is in it */
/* Copies a data set's file to `folder/name`; folders on the way are made. `.gz` is unpacked when the target's name has
 * no such ending and the source's has. */
void zk_folder_add(const char *folder, const char *name, const char *dataset_file);
/* Copies every file of a data set's folder. */
void zk_folder_add_all(const char *folder, const char *name, const char *dataset_folder);

/* Everything in expected.json (or .json.gz) must be in the tree, field by field, and nothing else: "" when it is so,
 * else the first differences, for people. Lives until the next call. */
const char *zk_compare(const struct viv_tree *tree, const char *expected);

#endif /* VIV_TESTS_UNIT_ZKDATA_SUPPORT_H */
