#ifndef VIV_CLI_COMPLETE_H
#define VIV_CLI_COMPLETE_H

#include "cli/cli.h"
#include "cli/names.h"

/* What the word at the end of `text` may become: whole words, sorted. Commands first, then what the command's usage
 * text asks for at that place: its options, names of znodes (the server is asked), names of files, choices.
 * *word_start is where the word begins in the text. */
void viv_cli_complete(struct viv_cli *cli, const char *text, size_t size, size_t *word_start,
                      struct viv_cli_names *words);
/* Bytes that all the words begin with. */
size_t viv_cli_common_size(const struct viv_cli_names *words);

#endif /* VIV_CLI_COMPLETE_H */
