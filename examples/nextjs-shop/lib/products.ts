export const products = [
  { id: 'oak-gate', name: 'Oak garden gate', price: '€ 189', text: 'Solid oak, oiled by hand, hinges included.' },
  { id: 'picket', name: 'Picket panel, 2 m', price: '€ 42', text: 'Larch pickets that grey evenly over the years.' },
  { id: 'latch', name: 'Wrought iron latch', price: '€ 24', text: 'Falls shut by itself and stays shut in the wind.' },
];
