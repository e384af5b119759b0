'use strict';
exports.loadSync = () => {
  throw new Error('channelz is not used here');
};
