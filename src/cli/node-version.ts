/**
 * Imported before all else: an older Node would start, and then fail in the middle of its work. Plain enough for any version.
 */
const OLDEST_NODE = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < OLDEST_NODE) {
  process.stderr.write(
    `rds-csi needs Node ${OLDEST_NODE} or newer, this is ${process.versions.node}; \`npm run rds-csi -- …\` brings its own\n`,
  );
  process.exit(1);
}
