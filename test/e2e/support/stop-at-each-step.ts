import fs from 'node:fs';

/**
 * Loaded into the command line before anything of its own: the process stops, as by Ctrl-Z, right after each entry of
 * the journal is on disk, so that a test can look at the whole machine in that state and let it go on.
 */
const sync = fs.fdatasyncSync.bind(fs);
fs.fdatasyncSync = (fd) => {
  sync(fd);
  process.kill(process.pid, 'SIGSTOP');
};
