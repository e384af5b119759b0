/**
 * The smallest native program that is an agent: whatever its arguments, it becomes `/bin/sh agent.sh` of its working
 * directory. Providers show native programs only, and a test needs one that does what the test says. x86-64.
 */
export function shellElf(): Buffer {
  const strings = Buffer.from('/bin/sh\0agent.sh\0');
  const head = 64 + 56;
  const code = Buffer.from([
    ...[0x48, 0x8b, 0x04, 0x24], // mov rax, [rsp]            argc
    ...[0x48, 0x8d, 0x54, 0xc4, 0x10], // lea rdx, [rsp+rax*8+16]   envp
    ...[0x48, 0x8d, 0x3d, 0, 0, 0, 0], // lea rdi, [rip+"/bin/sh"]
    ...[0x48, 0x8d, 0x0d, 0, 0, 0, 0], // lea rcx, [rip+"agent.sh"]
    ...[0x31, 0xc0, 0x50, 0x51, 0x57], // xor eax,eax; push rax; push rcx; push rdi
    ...[0x48, 0x89, 0xe6], // mov rsi, rsp              argv
    ...[0xb0, 0x3b, 0x0f, 0x05], // mov al, 59; syscall       execve
    ...[0x31, 0xff, 0xb0, 0x3c, 0x0f, 0x05], // xor edi,edi; mov al, 60; syscall
  ]);
  code.writeInt32LE(code.length - 16, 12);
  code.writeInt32LE(code.length - 23 + '/bin/sh\0'.length, 19);
  const size = head + code.length + strings.length;
  const base = 0x400000;
  const header = Buffer.alloc(head);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(base + head), 24); // entry
  header.writeBigUInt64LE(64n, 32); // program headers
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // load
  header.writeUInt32LE(5, 68); // read, execute
  header.writeBigUInt64LE(BigInt(base), 80);
  header.writeBigUInt64LE(BigInt(base), 88);
  header.writeBigUInt64LE(BigInt(size), 96);
  header.writeBigUInt64LE(BigInt(size), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, code, strings]);
}
