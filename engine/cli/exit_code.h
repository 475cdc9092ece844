#ifndef VIV_CLI_EXIT_CODE_H
#define VIV_CLI_EXIT_CODE_H

/* VIV_CLI_OK, VIV_CLI_REFUSED...: exit_codes.def as an enumeration. */
enum viv_cli_exit {
#define VIV_CLI_EXIT(name, number, text) VIV_CLI_##name = number,
#include "cli/exit_codes.def"
#undef VIV_CLI_EXIT
};

#endif /* VIV_CLI_EXIT_CODE_H */
