#ifndef VIV_CLI_INTERRUPT_H
#define VIV_CLI_INTERRUPT_H

#include <stdbool.h>

/* Control-C ends what is being waited for, and nothing else: a second one, before the first was seen, ends the
 * program. */
void viv_cli_interrupt_catch(void);
/* True once Control-C was pressed, until it is cleared. */
bool viv_cli_interrupted(void);
void viv_cli_interrupt_clear(void);

#endif /* VIV_CLI_INTERRUPT_H */
