/** Instead of the example's own plugin, whose packages are not installed here. */
declare const plugin: object;
export default plugin;
